//! A node inside another program, with a security manager of its own, and a client that uses it.

use std::any::Any;
use std::sync::Arc;

use druse::client::{Client, Credentials, Region, ServerLocation};
use druse::protocol::auth::{
    AuthError, BoxFuture, Login, Peer, Principal, ResourcePermission, SecurityManager, USERNAME,
};
use druse::protocol::time::Micros;
use druse::server::Node;

/// Knows everybody by name and lets all of them do everything.
struct GuestBook;

#[derive(Debug)]
struct Guest(String);

impl Principal for Guest {
    fn name(&self) -> &str {
        &self.0
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl SecurityManager for GuestBook {
    fn authenticate<'a>(
        &'a self,
        credentials: &'a Credentials,
        _: &'a Peer,
    ) -> BoxFuture<'a, Result<Login, AuthError>> {
        Box::pin(async {
            let name =
                credentials.get(USERNAME).ok_or_else(|| AuthError::Required("who are you?".to_owned()))?;
            Ok(Login { principal: Arc::new(Guest(name.to_owned())), issued_at: None, expires_at: None })
        })
    }

    fn authorize(&self, _: &dyn Principal, _: &ResourcePermission<'_>, _: Micros) -> Result<(), AuthError> {
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::builder().port(0).region("greetings").security(Arc::new(GuestBook)).start().await?;

    let client = Client::builder()
        .server(ServerLocation::new("127.0.0.1", node.port()))
        .credentials(Credentials::password("ann", "not looked at"))
        .build()?;
    let greetings: Region<String, String> = client.region("greetings");
    greetings.put(&"ann".to_owned(), &"good morning".to_owned()).await?;
    println!("{:?}", greetings.get(&"ann".to_owned()).await?);

    client.close().await;
    node.shutdown().await;
    Ok(())
}
