//! The task that reads one feed. It waits for slow streams, and never for a login.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use druse_protocol::DecodeError;
use druse_protocol::codec::{FrameLimits, Header, Message};
use druse_protocol::message::feed::FeedMessage;
use tokio::io::AsyncReadExt;

use super::dispatch::Meaning;
use super::event::FeedState;
use super::feeds::Feeds;
use super::intake::Admitted;
use super::link::Link;
use super::notice;
use super::renewal;
use crate::client::Core;
use crate::error::{ConnectionError, Error};
use crate::transport::Stream;

/// How much is read at once.
const READ_CHUNK: usize = 32 * 1024;

/// Reads one feed.
pub(crate) struct Reader {
    pub(crate) core: Arc<Core>,
    pub(crate) link: Arc<Link>,
    pub(crate) stream: Box<dyn Stream>,
    /// What has been read and not looked at.
    pub(crate) input: BytesMut,
    /// How long the server may be silent.
    pub(crate) silence: Duration,
    pub(crate) limits: FrameLimits,
}

impl Reader {
    /// Reads until the feed ends, and says why it did.
    pub(crate) async fn run(mut self) -> Error {
        let link = Arc::clone(&self.link);
        tokio::select! {
            biased;
            () = link.closing.cancelled() => Error::Connection(ConnectionError::Closed),
            error = self.read() => error,
        }
    }

    async fn read(&mut self) -> Error {
        loop {
            while let Some(frame) = match self.next_frame() {
                Ok(frame) => frame,
                Err(error) => return malformed(error),
            } {
                if let Err(error) = self.handle(&frame).await {
                    return malformed(error);
                }
            }
            if let Err(error) = self.fill().await {
                return error;
            }
        }
    }

    /// A whole message, taken off the input.
    fn next_frame(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let Some(header) = Header::decode(&self.input, &self.limits)? else { return Ok(None) };
        let size = Header::SIZE + header.length;
        let whole = self.input.len() >= size;
        Ok(whole.then(|| self.input.split_to(size).freeze()))
    }

    async fn fill(&mut self) -> Result<(), Error> {
        self.input.reserve(READ_CHUNK);
        let runtime = &self.core.runtime;
        let limit = self.silence;
        tokio::select! {
            biased;
            read = self.stream.read_buf(&mut self.input) => match read {
                Ok(0) => Err(Error::Connection(ConnectionError::Eof)),
                Ok(_) => Ok(()),
                Err(error) => Err(Error::Connection(ConnectionError::Io(Arc::new(error)))),
            },
            () = runtime.sleep_until(runtime.now() + limit) => {
                Err(Error::Timeout { server: self.link.server().to_string(), limit })
            }
        }
    }

    async fn handle(&mut self, frame: &Bytes) -> Result<(), DecodeError> {
        let cut_off = DecodeError::Parts { message: "feed", problem: "a message is cut off" };
        let (message, _) = Message::decode(frame, &self.limits)?.ok_or(cut_off)?;
        let message = FeedMessage::decode(&message)?;
        let admitted = match message.id() {
            None => None,
            Some(id) => {
                wait_for_room(&self.core.feeds).await;
                let Some(admitted) = self.core.feeds.intake.lock().admit(&id) else { return Ok(()) };
                Some(admitted)
            }
        };
        let meaning = Meaning::of(&message, frame, &self.core.feeds.registry)?;
        act(&self.core, &self.link, meaning, admitted.as_ref()).await;
        if let Some(Admitted::OnArrival(stamp)) = admitted {
            self.core.feeds.intake.lock().arrived(&stamp);
            self.core.feeds.news.notify_one();
        }
        Ok(())
    }
}

/// Where servers keep events for a durable client, the application must take some before more may come.
async fn wait_for_room(feeds: &Feeds) {
    while feeds.intake.lock().is_full() {
        feeds.room.notified().await;
        // There may be room for a reader of another server, too.
        feeds.room.notify_one();
        tokio::task::yield_now().await;
    }
}

async fn act(core: &Arc<Core>, link: &Arc<Link>, meaning: Meaning, admitted: Option<&Admitted>) {
    match meaning {
        Meaning::Changes(changes) => {
            link.renewals.helped();
            for (entry, change) in changes {
                entry.mailbox.put(change, admitted.and_then(Admitted::receipt)).await;
            }
        }
        Meaning::CaughtUp => core.feeds.tell(None, &FeedState::CaughtUp),
        Meaning::Renew(Some(id)) => {
            notice::user_of(core, link, id).iter().for_each(|user| renewal::invite(core, link, user));
        }
        Meaning::Renew(None) => {
            let users = core.feeds.users_to_renew(link);
            users.iter().for_each(|user| renewal::invite(core, link, user));
        }
        Meaning::Notice(news) => notice::act(core, link, &news),
        Meaning::Nothing => {}
    }
}

fn malformed(error: DecodeError) -> Error {
    Error::Connection(ConnectionError::Malformed(error))
}
