//! What the locator knows: one server, itself, and the groups that the server is in.

use std::net::SocketAddr;

use druse_protocol::locator::{Request, Response, ServerLocation};
use druse_protocol::version::VersionOrdinal;

use crate::config::HostPort;

/// The version that clients are to speak to this locator in.
const SPOKEN: VersionOrdinal = VersionOrdinal::GEODE_1_15_0;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    /// What clients are told, if the address that they have reached is not the one to tell.
    pub(crate) advertise: Option<HostPort>,
    /// The port of the server.
    pub(crate) server_port: u16,
    /// The port of the locator.
    pub(crate) locator_port: u16,
    /// The server's groups, besides the nameless one.
    pub(crate) groups: Vec<String>,
}

impl Directory {
    /// Answers a question that came in at the address `here`. `None` for one that this locator has no answer to.
    pub(crate) fn answer(&self, request: &Request, here: SocketAddr) -> Option<Response> {
        let server = self.server(here);
        let usable = |group: &Option<String>, excluded: &[ServerLocation]| {
            (self.is_in(group) && !excluded.contains(&server)).then(|| server.clone())
        };
        Some(match request {
            Request::Version => Response::Version(SPOKEN),
            Request::LocatorList { .. } => {
                Response::LocatorList { locators: vec![self.locator(here)], balanced: true }
            }
            Request::ClientConnection { group, excluded } => {
                Response::ClientConnection(usable(group, excluded))
            }
            // There is nowhere better to go. The client's own words for its server come back, because it compares.
            Request::ClientReplacement { group, excluded, current } => {
                let stay = self.is_in(group) && !excluded.contains(current);
                Response::ClientConnection(stay.then(|| current.clone()))
            }
            Request::GetAllServers { group } => {
                Response::GetAllServers(usable(group, &[]).map(|server| vec![server]))
            }
            Request::QueueConnection { group, excluded, .. } => Response::QueueConnection {
                durable_found: false,
                servers: usable(group, excluded).into_iter().collect(),
            },
            Request::Status { .. } => return None,
        })
    }

    fn server(&self, here: SocketAddr) -> ServerLocation {
        match &self.advertise {
            Some(HostPort { host, port }) => ServerLocation::new(host.clone(), *port),
            None => ServerLocation::new(here.ip().to_canonical().to_string(), self.server_port),
        }
    }

    /// The same host as the server's. Clients keep the locators that they were configured with besides.
    fn locator(&self, here: SocketAddr) -> ServerLocation {
        ServerLocation { port: self.locator_port, ..self.server(here) }
    }

    fn is_in(&self, group: &Option<String>) -> bool {
        match group.as_deref() {
            None | Some("") => true,
            Some(name) => self.groups.iter().any(|group| group == name),
        }
    }
}

#[cfg(test)]
mod tests {
    use druse_protocol::locator::ClientId;

    use super::*;

    fn directory() -> Directory {
        Directory {
            advertise: None,
            server_port: 40404,
            locator_port: 10334,
            groups: vec!["east".to_owned()],
        }
    }

    fn here() -> SocketAddr {
        "[::ffff:10.1.2.3]:10334".parse().expect("address")
    }

    fn server() -> ServerLocation {
        ServerLocation::new("10.1.2.3", 40404)
    }

    fn group(name: &str) -> Option<String> {
        Some(name.to_owned())
    }

    #[test]
    fn a_client_is_sent_to_the_address_that_it_has_reached() {
        let ask =
            |group, excluded| directory().answer(&Request::ClientConnection { group, excluded }, here());
        let found = Some(Response::ClientConnection(Some(server())));
        let none = Some(Response::ClientConnection(None));
        assert_eq!(ask(None, vec![]), found);
        assert_eq!(ask(group(""), vec![ServerLocation::new("other", 40404)]), found);
        assert_eq!(ask(group("east"), vec![]), found);
        assert_eq!(ask(group("west"), vec![]), none);
        assert_eq!(ask(group(""), vec![server()]), none);
    }

    #[test]
    fn what_is_advertised_wins() {
        let advertise = Some("grid.example:4000".parse().expect("address"));
        let directory = Directory { advertise, ..directory() };
        let server = ServerLocation::new("grid.example", 4000);
        let all = directory.answer(&Request::GetAllServers { group: None }, here());
        assert_eq!(all, Some(Response::GetAllServers(Some(vec![server]))));
        let locators = vec![ServerLocation::new("grid.example", 10334)];
        let list = directory.answer(&Request::LocatorList { group: None }, here());
        assert_eq!(list, Some(Response::LocatorList { locators, balanced: true }));
    }

    #[test]
    fn a_client_stays_where_it_is_under_the_name_that_it_uses() {
        let current = ServerLocation::new("localhost", 40404);
        let ask = |excluded| {
            let request = Request::ClientReplacement { group: None, excluded, current: current.clone() };
            directory().answer(&request, here())
        };
        assert_eq!(ask(vec![]), Some(Response::ClientConnection(Some(current.clone()))));
        assert_eq!(ask(vec![current.clone()]), Some(Response::ClientConnection(None)));
    }

    #[test]
    fn feeds_lists_and_status() {
        let client = ClientId { identity: vec![], unique: 1 };
        let queue = Request::QueueConnection {
            group: None,
            client,
            redundancy: -1,
            excluded: vec![],
            find_durable: true,
        };
        let servers = vec![server()];
        assert_eq!(
            directory().answer(&queue, here()),
            Some(Response::QueueConnection { durable_found: false, servers })
        );
        assert_eq!(
            directory().answer(&Request::GetAllServers { group: group("west") }, here()),
            Some(Response::GetAllServers(None))
        );
        assert_eq!(directory().answer(&Request::Status { group: None }, here()), None);
    }
}
