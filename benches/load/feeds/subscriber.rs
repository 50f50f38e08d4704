//! A client with a feed, opened with blocking calls as a Java client does it: first its queue connection with a login, then
//! the feed, which shows the same credentials at once, then what it wants to hear of.

use std::net::{SocketAddr, TcpStream};

use druse_protocol::auth::Credentials;
use druse_protocol::codec::MessageType;
use druse_protocol::handshake::{CommunicationMode, FeedWelcome};
use druse_protocol::message::cq::ExecuteCq;
use druse_protocol::message::interest::{
    DataPolicy, Interest, InterestResultPolicy, InterestTerms, RegisterInterest,
};

use crate::grid::{GridConnection, Identity, REGION_PATH, dial, read_more};
use crate::wire::Outcome;

/// A client whose feed is open.
pub(crate) struct Subscriber {
    /// For requests and acknowledgements.
    pub(super) queue: GridConnection,
    /// What the server pushes.
    pub(super) feed: TcpStream,
    /// What came behind the answer to the feed's handshake.
    pub(super) early: Vec<u8>,
}

impl Subscriber {
    /// Opens both connections of a client with an identity of its own.
    pub(crate) fn open(server: SocketAddr, token: &str) -> Outcome<Self> {
        let identity = Identity::fresh()?;
        let hello = identity.hello(CommunicationMode::ClientToServerForQueue, None);
        let mut queue = GridConnection::open(server, &hello, 1)?;
        queue.login(token)?;
        let credentials = Some(Credentials::token(token));
        let hello = identity.hello(CommunicationMode::PrimaryServerToClient, credentials);
        let mut feed = dial(server, &hello)?;
        let early = welcome(&mut feed)?;
        Ok(Self { queue, feed, early })
    }

    /// The same, with interest in all keys.
    pub(crate) fn with_interest(server: SocketAddr, token: &str) -> Outcome<Self> {
        let mut subscriber = Self::open(server, token)?;
        let terms = InterestTerms {
            policy: InterestResultPolicy::None,
            durable: false,
            updates_as_invalidates: false,
            data_policy: DataPolicy::Empty,
            serialize_values: true,
        };
        let request = RegisterInterest { region: REGION_PATH, interest: Interest::ALL_KEYS, terms };
        subscriber
            .queue
            .call_chunked(MessageType::ResponseFromPrimary, |out, envelope| request.encode(out, envelope))?;
        Ok(subscriber)
    }

    /// Executes a continuous query, without the results of the moment.
    pub(crate) fn execute(&mut self, name: &str, query: &str) -> Outcome<()> {
        let request = ExecuteCq {
            name: name.as_bytes(),
            query: query.as_bytes(),
            state: ExecuteCq::RUNNING,
            durable: false,
            data_policy: DataPolicy::Empty,
            with_initial_results: false,
        };
        self.queue.call_chunked(MessageType::Reply, |out, envelope| request.encode(out, envelope))
    }
}

/// Waits for the answer to a feed's handshake, and gives what came behind it.
fn welcome(feed: &mut TcpStream) -> Outcome<Vec<u8>> {
    let mut input = Vec::new();
    loop {
        if let Some((welcome, size)) = FeedWelcome::decode(&input)? {
            return match welcome.is_accepted() {
                true => Ok(input.split_off(size)),
                false => Err(format!("the server refused the feed: {}", welcome.message).into()),
            };
        }
        read_more(feed, &mut input)?;
    }
}
