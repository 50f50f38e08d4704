//! Looking for servers: one question for everybody, and locators that do not answer.

use std::time::Duration;

use druse_client::{Client, ClientConfig, Error, ServerLocation};
use druse_support::grid::location;
use druse_support::{Grid, Tokens};
use tokio::net::TcpListener;

use crate::common::{connect, finish, herd, hurried, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_cold_tasks_ask_the_locator_once() {
    let grid = Grid::with(|node| node.locator_port(0)).await;
    let locator = ServerLocation::new("127.0.0.1", grid.node().locator_port().unwrap());
    let provider = Tokens::of("ann");
    let (client, orders) = connect(Client::builder().locator(locator), &provider);
    let outcomes = herd(500, |n| {
        let orders = orders.clone();
        async move { orders.put(&key(n), &1).await }
    });
    assert!(outcomes.await.iter().all(Result::is_ok));
    assert_eq!(grid.metrics().locator_requests.get(), 1);
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (1, 1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn locators_that_never_answer_cost_no_more_than_the_operation_may_take() {
    // The system accepts on their behalf, and that is all that ever happens.
    let silent =
        [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    let mut builder = Client::builder();
    for locator in &silent {
        builder = builder.locator(location(locator.local_addr().unwrap()));
    }
    let config = ClientConfig {
        connect_timeout: Duration::from_secs(3600),
        operation_timeout: Duration::from_millis(300),
        ..hurried()
    };
    let provider = Tokens::of("ann");
    let client = builder.config(config).auth_initialize(provider.clone()).build().unwrap();
    let error = client.region::<String, i64>("orders").put(&key(1), &1).await.unwrap_err();
    assert!(matches!(error, Error::Locator(_)) && error.is_retryable(), "{error:?}");
    assert_eq!(provider.calls(), 0, "nobody is asked for a credential that cannot be shown");
    client.close().await;
}
