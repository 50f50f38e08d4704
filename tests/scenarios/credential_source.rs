//! D1: what the credential source is asked, and what becomes of its answers.

use std::time::{Duration, Instant};

use druse_client::auth::GateError;
use druse_client::{
    Client, ConnectError, Credentials, Error, LocationError, LoginError, Micros, ProvidedCredentials,
    ProviderError, ServerLocation,
};
use druse_protocol::auth::CredentialRequest;
use druse_protocol::codec::MessageType;
use druse_protocol::message::exception::ThrowableClass;
use druse_support::provider::{bad_token, token};
use druse_support::{Act, FaultProxy, Grid, LoginFault, Tokens};

use crate::common::{connect, finish, grid_with, herd, is_login_refusal, key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_01_the_first_call() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    assert_eq!(orders.get(&key(1)).await.unwrap(), None);
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (1, 1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_02_a_herd_at_the_start() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    let outcomes = herd(10, |_| {
        let orders = orders.clone();
        async move {
            for n in 0..100 {
                orders.get(&key(n)).await?;
            }
            Ok::<(), Error>(())
        }
    });
    assert!(outcomes.await.iter().all(Result::is_ok));
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (1, 1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_03_what_the_provider_is_told() {
    let provider = Tokens::of("ann");
    let grid = Grid::start().await;
    let client = grid.client().multi_user().build().unwrap();
    let ann = client.user("ann", provider.clone()).unwrap();
    ann.region::<String, i64>("orders").get(&key(1)).await.unwrap();
    let requests = provider.requests();
    let [request] = &requests[..] else { panic!("one call, not {}", requests.len()) };
    assert_eq!(request.user, "ann");
    assert_eq!(request.server, grid.location().to_string());
    assert!(request.deadline > Micros(0));
    assert_eq!(request.version, CredentialRequest::VERSION);
    assert_eq!(request.refused, None);
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_04_a_provider_that_gives_nothing() {
    let nothing = Tokens::scripted(|_, _| Ok(ProvidedCredentials::new(Credentials::new())));
    let denied = Tokens::scripted(|_, _| {
        Err(ProviderError::Denied { message: "log in by hand".to_owned(), source: None })
    });
    for provider in [nothing, denied] {
        let (grid, client, orders) = grid_with(&provider).await;
        let error = orders.get(&key(1)).await.unwrap_err();
        let gate =
            matches!(error, Error::Credential(GateError::Unusable { .. } | GateError::Provider { .. }));
        assert!(gate && error.needs_reauthentication(), "{error:?}");
        assert_eq!(grid.metrics().connections_accepted.get(), 0, "nothing has been sent");
        finish(grid, client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_05_a_provider_that_gives_rubbish() {
    for (rubbish, field) in [
        (ProvidedCredentials::new(Credentials::new().with("", "x")), "credentials"),
        (token("ann", 1).expiring_at(Micros(-1)), "expires_at"),
    ] {
        let provider = Tokens::scripted(move |_, _| Ok(rubbish.clone()));
        let (grid, client, orders) = grid_with(&provider).await;
        let error = orders.get(&key(1)).await.unwrap_err();
        let Error::Credential(gate @ GateError::Unusable { .. }) = &error else { panic!("{error:?}") };
        assert!(gate.to_string().contains(field), "{gate}");
        assert_eq!(grid.metrics().connections_accepted.get(), 0, "nothing has been sent");
        finish(grid, client).await;
    }
}

#[tokio::test]
async fn d1_06_contradictory_settings() {
    let builder = || Client::builder().server(ServerLocation::new("127.0.0.1", 40404));
    let both = builder().credentials(Credentials::token("x")).auth_initialize(Tokens::of("ann"));
    let multi = builder().credentials(Credentials::token("x")).multi_user();
    for builder in [both, multi, builder().credentials(Credentials::new())] {
        assert!(matches!(builder.build(), Err(Error::Configuration(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_07_the_wrong_host() {
    let grid = Grid::with(|node| node.locator_port(0)).await;
    let provider = Tokens::of("ann");
    for allowed in [&[][..], &["grid.example"], &["127.0.0"], &["*.0.0.1"]] {
        let client = grid.client().allowed_hosts(allowed.iter().copied()).auth_initialize(provider.clone());
        assert!(matches!(client.build(), Err(Error::Configuration(_))), "{allowed:?}");
    }
    for trick in ["grid.example@127.0.0.1:40404", "127.0.0.1:40404/grid.example", "grid.example#127.0.0.1:1"]
    {
        assert!(trick.parse::<ServerLocation>().is_err_and(|_: LocationError| true), "{trick}");
    }

    // A locator may be reached by a name that is allowed and name a server that is not.
    let locator = ServerLocation::new("localhost", grid.node().locator_port().unwrap());
    let client = Client::builder().locator(locator).allowed_hosts(["localhost"]);
    let (client, orders) = connect(client, &provider);
    let error = orders.get(&key(1)).await.unwrap_err();
    let refused = matches!(
        &error,
        Error::Login(LoginError::Connect(ConnectError::NotAllowed { server })) if server.starts_with("127.0.0.1")
    );
    assert!(refused, "{error:?}");
    assert_eq!(grid.metrics().connections_accepted.get(), 0, "no credential has left");
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_08_a_poisoned_cache_heals() {
    let provider = Tokens::of("ann");
    let (grid, client, orders) = grid_with(&provider).await;
    client.gate().unwrap().preload(bad_token("ann")).unwrap();
    assert_eq!(orders.get(&key(1)).await.unwrap(), None);
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (1, 1));
    assert_eq!(provider.requests()[0].refused, Some(bad_token("ann").credentials));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_09_bad_from_the_start() {
    let provider = Tokens::good_then_bad("ann", 0);
    let (grid, client, orders) = grid_with(&provider).await;
    let error = orders.get(&key(1)).await.unwrap_err();
    assert!(is_login_refusal(&error), "{error:?}");
    assert_eq!((provider.calls(), grid.manager.of("ann").refused_logins), (1, 1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_10_an_unrelated_error_keeps_the_cache() {
    let grid = Grid::start().await;
    let proxy = FaultProxy::before(grid.address()).await;
    let provider = Tokens::of("ann");
    let (client, orders) = connect(proxy.client(), &provider);
    proxy.fault(MessageType::UserCredentialMessage, Act::Answer(ThrowableClass::InternalGemFire), 1);
    let error = orders.get(&key(1)).await.unwrap_err();
    assert!(matches!(error, Error::Login(LoginError::Refused { .. })), "{error:?}");
    assert!(!error.needs_reauthentication());
    assert_eq!(orders.get(&key(1)).await.unwrap(), None);
    assert_eq!((provider.calls(), grid.manager.logins("ann")), (1, 1));
    finish(grid, client).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_19_no_cached_credential_and_the_login_fails() {
    for fault in [LoginFault::Failed, LoginFault::Expired, LoginFault::Unavailable] {
        let provider = Tokens::of("ann");
        let (grid, client, orders) = grid_with(&provider).await;
        grid.manager.login_error(fault, 1);
        let error = orders.put(&key(1), &1).await.unwrap_err();
        assert!(is_login_refusal(&error), "{fault:?}: {error:?}");
        assert_eq!((provider.calls(), grid.entries()), (1, 0), "{fault:?}");
        orders.put(&key(1), &1).await.unwrap();
        finish(grid, client).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_25_refused_credentials_are_asked_for_at_intervals() {
    let provider = Tokens::good_then_bad("ann", 0);
    let grid = Grid::start().await;
    let client = grid.client().auth_initialize(provider.clone()).build().unwrap();
    let orders = client.region::<String, i64>("orders");
    let begun = Instant::now();
    for n in 0..6 {
        orders.get(&key(n)).await.unwrap_err();
    }
    // A bound from below, which no slow machine can break.
    let intervals = begun.elapsed().as_millis() / Duration::from_millis(100).as_millis();
    assert!(u128::from(provider.calls()) <= intervals + 1, "{} calls", provider.calls());
    assert_eq!(provider.calls(), 6);
    finish(grid, client).await;
}
