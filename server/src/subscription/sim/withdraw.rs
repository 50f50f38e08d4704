//! Registrations that an application takes back, and makes again later.

use super::client::{Client, Reply, Request};
use super::plan::Want;
use super::world::World;

impl World {
    /// An application takes one of its registrations back, or makes it again.
    pub(super) fn change_mind(&mut self, client: usize) {
        let want = rand::Rng::random_range(&mut self.random, 0..self.clients[client].wants.len());
        let it = &mut self.clients[client];
        if !it.is_up {
            return;
        }
        it.is_up = false;
        if it.withdrawn.remove(&want) {
            let again = it.registration(want);
            it.script.push_back(again);
        } else {
            it.withdrawn.insert(want);
            it.script.push_back(Request::Withdraw { want });
        }
        self.go_on(client);
    }

    /// UNREGISTER_INTEREST or CLOSECQ. What has been found to concern the client by interest still comes.
    pub(super) fn withdraw(&mut self, client: usize, want: usize) {
        let it = &mut self.clients[client];
        let shard = &mut self.node.task.shard;
        match &it.wants[want] {
            Want::Interest { region, interest, .. } => {
                let region = &self.node.regions[usize::from(*region)];
                shard.unregister(&it.key, region, std::slice::from_ref(interest), self.now);
            }
            Want::Query { name, user, .. } => {
                shard.close_cq(&it.key, name.as_bytes());
                let lane = it.lane_of(*user);
                it.book.owes_notice.remove(name);
                it.book.close_query(lane, name);
                it.results.forget(name);
            }
        }
        let passed = shard.passed();
        it.book.withdraw(want, passed, &it.wants, &it.identity, it.kind.has_several_users());
        self.answer(client, Reply::Done);
    }
}

impl Client {
    /// A query that was taken back while the client had no connection waits for its user for ever; nobody misses it.
    pub(super) fn forget_withdrawn(&mut self) {
        for want in &self.withdrawn {
            if let Want::Query { name, user, .. } = &self.wants[*want] {
                self.book.owes_notice.remove(name);
                self.book.close_query(if self.kind.has_several_users() { user + 1 } else { 0 }, name);
            }
        }
    }
}
