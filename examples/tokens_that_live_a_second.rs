//! A client whose tokens live a second, against a node that verifies them: the work goes on as if they lived for ever.

use std::sync::Arc;
use std::time::{Duration, Instant};

use druse::client::auth::providers::BlockingCredentials;
use druse::client::{
    Client, Clock, Credentials, ProvidedCredentials, ProviderError, Region, ServerLocation, SystemClock,
};
use druse::identity::key_set::{FileSource, KeySetCache, Policy};
use druse::identity::mint::{AccessToken, Mint};
use druse::identity::token::{TokenConfig, TokenSecurityManager};
use druse::server::Node;

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "grid";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Somebody's identity provider: a key, and its public half in a file.
    let mint = Arc::new(Mint::generate(ISSUER, AUDIENCE)?);
    let directory = tempfile::tempdir()?;
    let key_set = directory.path().join("keys.json");
    std::fs::write(&key_set, mint.key_set())?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let keys = KeySetCache::new(FileSource::new(&key_set), Policy::file(), Arc::clone(&clock));
    let security = TokenSecurityManager::new(TokenConfig::new(ISSUER, AUDIENCE), keys, clock);
    let node = Node::builder().port(0).region("orders").security(Arc::new(security)).start().await?;

    let provider = BlockingCredentials::new(move |_| {
        let ends = SystemClock.now() + Duration::from_secs(1);
        let token = AccessToken::new("ann", ends).scope("grid:data:read:orders grid:data:write:orders");
        let token = mint.mint(&token).map_err(|error| ProviderError::Denied {
            message: "no token can be made".to_owned(),
            source: Some(Arc::new(error)),
        })?;
        Ok(ProvidedCredentials::new(Credentials::token(token)).expiring_at(ends))
    });
    let client = Client::builder()
        .server(ServerLocation::new("127.0.0.1", node.port()))
        .auth_initialize(provider)
        .build()?;
    let orders: Region<i64, i64> = client.region("orders");

    let begun = Instant::now();
    let mut operations = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        orders.put(&(operations % 100), &operations).await?;
        operations += 1;
    }
    let asked = client.gate().map_or(0, |gate| gate.provider_calls());
    println!("{operations} operations, none failed, {asked} tokens");

    client.close().await;
    node.shutdown().await;
    Ok(())
}
