//! D9-02: every interleaving that the model checker finds, of operations that meet one expiry on three servers.
//!
//! Run with `--features model-check`. The model keeps the gate's own lock and tasks; time stands still.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use druse_client::auth::state::Want;
use druse_client::auth::{Gate, GateConfig, Generation, LoginCell, LoginTicket};
use druse_client::runtime::Runtime;
use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
};
use druse_protocol::time::Micros;
use tokio_util::sync::CancellationToken;

const NOW: Micros = Micros::from_secs(1_000);
const SERVERS: usize = 3;

/// Tasks of the model checker; time stands still.
struct ModelRuntime;

impl Runtime for ModelRuntime {
    fn now(&self) -> Micros {
        NOW
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        shuttle::future::spawn(task);
    }

    fn sleep_until(&self, at: Micros) -> BoxFuture<'static, ()> {
        if at <= NOW { Box::pin(std::future::ready(())) } else { Box::pin(std::future::pending()) }
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// Lets every other task run first, if the schedule wants it so.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[derive(Default)]
struct Counting(AtomicU64);

impl AuthInitialize for Counting {
    fn credentials(&self, _: CredentialRequest) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(async {
            let call = self.0.fetch_add(1, Ordering::SeqCst) + 1;
            Yield(false).await;
            Ok(ProvidedCredentials::new(Credentials::token(format!("token-{call}"))))
        })
    }
}

/// One server: accepts generations from `valid_from` on, counts logins.
struct Server {
    cell: LoginCell<&'static str>,
    valid_from: AtomicU64,
    logins: Arc<AtomicU64>,
}

impl Server {
    async fn login(&self, generation: Generation, refused: Option<LoginTicket>) -> LoginTicket {
        let logins = Arc::clone(&self.logins);
        let login = |id: Option<i64>| async move {
            logins.fetch_add(1, Ordering::SeqCst);
            Yield(false).await;
            Ok(id.unwrap_or(4711))
        };
        self.cell.ensure(generation, refused, "interrupted", login).await.expect("the model's logins succeed")
    }
}

/// One operation: with the login at hand, and once more after a refusal, as the client does it.
async fn operate(gate: &Gate, server: &Server) {
    let issued = gate.credential(Want::Live, "server", Micros::MAX).await.expect("first credential");
    let ticket = server.login(issued.generation, None).await;
    Yield(false).await;
    if ticket.generation.0 >= server.valid_from.load(Ordering::SeqCst) {
        return;
    }
    let issued =
        gate.credential(Want::NewerThan(ticket.generation), "server", Micros::MAX).await.expect("renewal");
    let ticket = server.login(issued.generation, Some(ticket)).await;
    assert!(ticket.generation.0 >= server.valid_from.load(Ordering::SeqCst), "one renewal must be enough");
}

fn one_expiry(tasks: usize) {
    let provider = Arc::new(Counting::default());
    let runtime: Arc<dyn Runtime> = Arc::new(ModelRuntime);
    let config = GateConfig { min_interval: std::time::Duration::ZERO, ..GateConfig::default() };
    let gate = Arc::new(Gate::new("", Arc::clone(&provider) as _, config, Arc::clone(&runtime)));
    let servers: Arc<Vec<Server>> = Arc::new(
        (0..SERVERS)
            .map(|_| Server {
                cell: LoginCell::new(Arc::clone(&runtime), CancellationToken::new()),
                // The first generation counts as expired everywhere.
                valid_from: AtomicU64::new(2),
                logins: Arc::default(),
            })
            .collect(),
    );
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (gate, servers) = (Arc::clone(&gate), Arc::clone(&servers));
            shuttle::future::spawn(async move { operate(&gate, &servers[task % SERVERS]).await })
        })
        .collect();
    shuttle::future::block_on(async {
        for task in running {
            task.await.expect("operation");
        }
    });
    assert_eq!(provider.0.load(Ordering::SeqCst), 2, "one call for each generation");
    for server in servers.iter() {
        assert!(
            server.logins.load(Ordering::SeqCst) <= 2,
            "at most one login for each generation and server"
        );
    }
    gate.close();
}

#[test]
fn one_expiry_costs_one_call_on_every_schedule_found_at_random() {
    shuttle::check_random(|| one_expiry(6), 4_000);
}

#[test]
fn one_expiry_costs_one_call_on_schedules_with_few_preemptions() {
    shuttle::check_pct(|| one_expiry(6), 2_000, 3);
}
