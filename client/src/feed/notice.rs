//! What a Druse node tells of one user's part of a feed.

use std::sync::Arc;

use druse_protocol::message::feed::notice::SINGLE_USER;
use druse_protocol::message::feed::{FeedNotice, LaneNews};
use tracing::debug;

use super::event::{FeedState, Lost};
use super::link::Link;
use super::recovery;
use crate::client::Core;
use crate::user::User;

/// Does what a notice asks for, and tells the streams concerned.
pub(crate) fn act(core: &Arc<Core>, link: &Arc<Link>, notice: &FeedNotice) {
    let Some(user) = user_of(core, link, notice.user) else {
        debug!(server = %link.server(), "notice about a login that has gone");
        return;
    };
    match notice.news {
        // The invitation itself follows.
        LaneNews::RenewBy(_) => link.renewals.found_good(&user),
        LaneNews::Held => {
            link.renewals.held(&user);
            core.feeds.tell(Some(&user), &FeedState::Held);
        }
        LaneNews::Released => {
            link.renewals.found_good(&user);
            core.feeds.tell(Some(&user), &FeedState::Released);
        }
        // Whether there may be another login is for the application to say: any operation of the user's makes one.
        LaneNews::Revoked => core.feeds.tell(Some(&user), &FeedState::Revoked),
        LaneNews::Lost { from, to } => {
            let lost = Lost::Range { first: from.unsigned_abs(), last: to.unsigned_abs() };
            recovery::register_again(core, link, &user, lost);
        }
    }
}

/// The user with this id on that server.
pub(crate) fn user_of(core: &Core, link: &Link, id: i64) -> Option<Arc<User>> {
    if id == SINGLE_USER {
        return core.single_user();
    }
    let users = core.feeds.users().into_iter();
    let has_id =
        |user: &Arc<User>| user.ticket_on(link.server()).is_some_and(|ticket| ticket.unique_id == id);
    users.chain(core.single_user()).find(has_id)
}
