//! What must be true when nothing goes wrong any more, and when everybody has left (I3, I5, I11, I12).

use std::sync::Arc;
use std::time::Duration;

use super::plan::{KEYS, REGIONS, Want, key, key_text};
use super::rows;
use super::world::World;
use super::{Verdict, wrong};

/// Wait, grace, and twenty seconds.
pub(super) const CALM: Duration = Duration::from_secs(5 + 8 + 20);
/// Long enough for an operation that meets the end of a login.
pub(super) const REMINDED: Duration = Duration::from_secs(1);
/// Longer than any queue is kept.
pub(super) const GOODBYE: Duration = Duration::from_secs(12);

/// Everybody is connected, has everything, and waits for nothing.
pub(super) fn all_is_well(world: &mut World) -> Verdict {
    for client in 0..world.clients.len() {
        lanes_are_empty(world, client)?;
        world.clients[client].forget_withdrawn();
        let it = &world.clients[client];
        let manager = Arc::clone(&world.node.manager);
        let denied = move |lane: usize, key: &str| manager.was_denied(it.user_on(lane), key);
        it.book.is_complete(it.conflates, &denied).map_err(|it| it.of(client))?;
        cache_is_true(world, client)?;
        rows::are_true(world, client)?;
    }
    Ok(())
}

/// I11.
fn lanes_are_empty(world: &World, client: usize) -> Verdict {
    let it = &world.clients[client];
    let feed = world.node.feed(&it.key).filter(|feed| feed.connected && it.is_up);
    let Some(feed) = feed else {
        let state = world.node.feed(&it.key).map(|feed| feed.state);
        return Err(wrong(format!(
            "I11: client {client} has no feed: {state:?}, {} to ask",
            it.script.len()
        )));
    };
    for lane in &feed.lanes {
        // Nobody is missed as long as nothing is due: a login that nobody needs may have ended.
        // One that waits for its user to run a query again waits for ever if the user has none.
        if (lane.events > 0 || lane.lost.is_some()) && !lane.awaits_user {
            return Err(wrong(format!(
                "I11: lane {} of client {client} still waits: {} events, lost {:?}, live {}",
                lane.number,
                lane.events,
                lane.lost,
                lane.is_live(world.now),
            )));
        }
    }
    Ok(())
}

/// I5: a client's entries are the region's.
fn cache_is_true(world: &World, client: usize) -> Verdict {
    let it = &world.clients[client];
    for (region, path) in REGIONS.iter().enumerate() {
        for key in (0..KEYS).map(key) {
            let user = &it.users[0].name;
            let wanted = it.wants.iter().enumerate().filter(|(number, _)| !it.withdrawn.contains(number));
            let is_wanted = wanted.into_iter().any(|(_, want)| wants(want, region as u16, &key));
            if !is_wanted || world.node.manager.was_denied(user, &key_text(&key)) {
                continue;
            }
            let there = world.node.regions[region].get(&key).filter(|record| !record.is_tombstone());
            let there = there.map(|record| record.value().and_then(super::hear::bytes_of));
            let cached = it.cache.get(&(region as u16, key.clone())).map(|entry| entry.value.clone());
            if there != cached {
                let key = key_text(&key);
                return Err(wrong(format!(
                    "I5: client {client} has {cached:?} under {key} of {path}, there is {there:?}"
                )));
            }
        }
    }
    Ok(())
}

fn wants(want: &Want, of: u16, key: &[u8]) -> bool {
    match want {
        Want::Interest { region, interest, values: true, .. } => {
            *region == of && super::super::interest::Matcher::new(interest).concerns(key)
        }
        _ => false,
    }
}

/// I12.
pub(super) fn nothing_is_left(world: &World) -> Verdict {
    let shard = &world.node.task.shard;
    let feeds = &world.node.metrics.feeds;
    let mut left = vec![
        ("feeds", shard.len() as i64),
        ("changes that wait", shard.usage().0 as i64),
        ("timers", i64::from(shard.next_timer().is_some())),
        ("feeds, counted", feeds.live.get()),
        ("feeds away, counted", feeds.away.get()),
        ("held lanes, counted", feeds.lanes_held.get()),
        ("registrations, counted", feeds.registrations.get()),
        ("logins, counted", world.node.metrics.logins_live.get()),
    ];
    let (granted, logged_out) = world.node.manager.counts();
    left.push(("logins without a logout", granted as i64 - logged_out as i64));
    if let Some(security) = &world.node.security {
        let (clients, ends) = security.leftovers();
        left.extend([("clients", clients as i64), ("ends of logins", ends as i64)]);
    }
    match left.into_iter().find(|(_, count)| *count != 0) {
        Some((what, count)) => Err(wrong(format!("I12: {count} {what} are left"))),
        None => Ok(()),
    }
}
