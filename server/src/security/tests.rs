use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use druse_protocol::auth::{AuthError, DecisionScope, Operation, Peer, Revocation, RevocationScope};
use druse_protocol::time::{ManualClock, Micros};

use super::testing::{TestManager, credentials};
use super::user_auths::Admitted;
use super::*;

const START: Micros = Micros(1_700_000_000_000_000);
const SECOND: Duration = Duration::from_secs(1);

struct World {
    manager: Arc<TestManager>,
    security: Arc<Security>,
    metrics: Arc<Metrics>,
}

impl World {
    fn new(policies: SecurityPolicies) -> Self {
        Self::with(TestManager::new(), policies)
    }

    fn with(manager: Arc<TestManager>, policies: SecurityPolicies) -> Self {
        let metrics = Arc::new(Metrics::default());
        let security = Security::new(manager.clone(), policies, [7; 32], Arc::clone(&metrics));
        Self { manager, security, metrics }
    }

    async fn begin(
        &self,
        client: &ClientLogins,
        name: &str,
        named: Option<i64>,
        expires_at: Option<Micros>,
        now: Micros,
    ) -> Result<Authenticated, AuthError> {
        let request = LoginRequest {
            credentials: credentials(name, None, expires_at),
            peer: Peer::default(),
            named,
            names_no_ids: false,
        };
        self.security.authenticate(client, request, now).await
    }

    async fn login(
        &self,
        client: &ClientLogins,
        name: &str,
        named: Option<i64>,
        expires_at: Option<Micros>,
        now: Micros,
    ) -> Result<Admitted, AuthError> {
        let login = self.begin(client, name, named, expires_at, now).await?;
        client.admit(&self.security, &login, now)
    }

    fn logouts(&self) -> usize {
        self.security.log_out();
        self.manager.logouts()
    }

    fn read(&self, client: &ClientLogins, id: i64, now: Micros) -> Result<(), AuthError> {
        let cell = client.cell(id).ok_or_else(unknown_user)?;
        let wanted = Wanted::data(Operation::Read, "orders", None);
        self.security.authorize(&cell, Some(1), &wanted, now).map(drop)
    }
}

#[tokio::test]
async fn a_login_is_cut_at_its_end_by_an_operation() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let end = START + SECOND;
    let id = world.login(&client, "ann", None, Some(end), START).await.expect("login").unique_id;
    assert_eq!(world.read(&client, id, end - Duration::from_micros(1)), Ok(()));
    assert_eq!(world.logouts(), 0);
    assert!(world.read(&client, id, end).expect_err("over").is_expired());
    assert_eq!(world.logouts(), 1);
    assert_eq!((world.metrics.expiries.get(), world.metrics.logins_live.get()), (1, 0));
    assert_eq!(world.security.deadlines.len(), 0);
    // The id stays, and so does its owner's name.
    let again = world.login(&client, "ann", Some(id), Some(end + SECOND), end).await.expect("login");
    assert_eq!(again, Admitted { unique_id: id, renewed: true });
    assert_eq!(world.read(&client, id, end), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn an_idle_login_is_cut_at_its_end_by_the_keeper() {
    let world = World::new(SecurityPolicies::default());
    let clock = Arc::new(ManualClock::new(START));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let keeper = tokio::spawn(Arc::clone(&world.security).keep(clock.clone(), async move {
        let _ = stopped.await;
    }));
    let client = world.security.connect(b"client");
    world.login(&client, "ann", None, Some(START + SECOND), START).await.expect("login");
    clock.set(START + SECOND);
    while world.manager.logouts() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!((world.metrics.expiries.get(), world.metrics.logouts.get()), (1, 1));
    stop.send(()).expect("the keeper listens");
    keeper.await.expect("the keeper ends");
}

#[tokio::test]
async fn a_timer_that_is_early_fires_again() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let end = START + SECOND;
    world.login(&client, "ann", None, Some(end), START).await.expect("login");
    for cell in world.security.deadlines.due(end) {
        // The clock was set back between the look at it and the deed.
        cell.on_timer(START);
    }
    assert_eq!(world.security.deadlines.next(), Some(end));
    world.security.end_idle_logins(end);
    assert_eq!(world.logouts(), 1);
}

#[tokio::test]
async fn an_operation_keeps_its_subject_until_it_is_done() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let id = world.login(&client, "ann", None, None, START).await.expect("login").unique_id;
    let cell = client.cell(id).expect("cell");
    let permit = world.security.admit(&cell, START).expect("live");
    let held = permit.as_ref().map(Arc::clone);
    drop(permit);
    world.login(&client, "ann", Some(id), None, START).await.expect("renewal");
    assert_eq!(world.logouts(), 0, "superseded, and in use");
    drop(held);
    assert_eq!(world.logouts(), 1);
    drop(cell);
    drop(client);
    assert_eq!(world.logouts(), 2);
    assert_eq!(world.security.clients.len(), 0);
    assert_eq!(world.metrics.logins_live.get(), 0);
}

/// D3-05, D4-05, D4-08.
#[tokio::test]
async fn a_credential_dead_on_arrival_is_refused_and_changes_nothing() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let error = world.login(&client, "ann", None, Some(START), START).await.expect_err("dead");
    assert!(error.is_expired());
    assert_eq!(client.len(), 0);
    let id = world.login(&client, "ann", None, None, START).await.expect("login").unique_id;
    let generation = client.cell(id).expect("cell").generation();
    assert!(world.login(&client, "ann", Some(id), Some(START - SECOND), START).await.is_err());
    assert_eq!(client.cell(id).expect("cell").generation(), generation);
    assert_eq!(world.logouts(), 2);
}

/// D4-09: both orders of the last-moment renewal and the end.
#[tokio::test]
async fn a_last_moment_renewal_cuts_cleanly_or_not_at_all() {
    let end = START + SECOND;
    for timer_first in [false, true] {
        let world = World::new(SecurityPolicies::default());
        let client = world.security.connect(b"client");
        let id = world.login(&client, "ann", None, Some(end), START).await.expect("login").unique_id;
        if timer_first {
            world.security.end_idle_logins(end);
        }
        world.login(&client, "ann", Some(id), Some(end + SECOND), end).await.expect("renewal");
        if !timer_first {
            world.security.end_idle_logins(end);
        }
        assert_eq!(world.read(&client, id, end), Ok(()));
        assert_eq!(world.metrics.expiries.get(), u64::from(timer_first));
        assert_eq!(world.logouts(), 1, "the first subject, once");
    }
}

/// D3-01, D4-07.
#[tokio::test]
async fn an_id_does_not_pass_to_somebody_else() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let id = world.login(&client, "ann", None, None, START).await.expect("login").unique_id;
    let refused = world.login(&client, "bob", Some(id), None, START).await;
    assert!(matches!(refused, Err(AuthError::Failed(_))), "{refused:?}");
    assert_eq!(world.read(&client, id, START), Ok(()));
    assert_eq!(world.logouts(), 1, "bob's");
    // Neither once the login has ended.
    world.manager.expire_next("ann", Operation::Read, 1);
    assert!(world.read(&client, id, START).expect_err("over").is_expired());
    assert!(world.login(&client, "bob", Some(id), None, START).await.is_err());
}

#[tokio::test]
async fn an_id_passes_to_somebody_else_where_that_is_allowed() {
    let allow = SecurityPolicies { principal_change: PrincipalChange::Allow, ..SecurityPolicies::default() };
    let world = World::with(TestManager::with_scope(DecisionScope::Region), allow);
    world.manager.deny("bob", "orders");
    let client = world.security.connect(b"client");
    let id = world.login(&client, "ann", None, None, START).await.expect("login").unique_id;
    assert_eq!(world.read(&client, id, START), Ok(()));
    let again = world.login(&client, "bob", Some(id), None, START).await.expect("change");
    assert_eq!(again.unique_id, id);
    let refused = world.read(&client, id, START);
    assert!(matches!(refused, Err(AuthError::NotAuthorized(_))), "ann's permits are gone: {refused:?}");
}

#[tokio::test]
async fn ids_hold_for_their_identity_alone() {
    let world = World::new(SecurityPolicies::default());
    let (one, two) = (world.security.connect(b"one"), world.security.connect(b"two"));
    let id = world.login(&one, "ann", None, None, START).await.expect("login").unique_id;
    assert_eq!(world.read(&two, id, START), Err(unknown_user()));
    let other = world.login(&two, "ann", Some(id), None, START).await.expect("login");
    assert!(!other.renewed && other.unique_id != id, "a stranger's id is not taken over");
    let same = world.security.connect(b"one");
    assert_eq!(world.read(&same, id, START), Ok(()), "another connection of the identity");
    drop(one);
    assert_eq!(world.read(&same, id, START), Ok(()), "one is left");
    drop(same);
    let back = world.security.connect(b"one");
    assert_eq!(world.read(&back, id, START), Err(unknown_user()));
}

/// Row 23: the last to arrive does not beat the newest.
#[tokio::test]
async fn of_two_overlapping_logins_the_fresher_wins() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let id = world.login(&client, "ann", None, Some(START + SECOND), START).await.expect("login").unique_id;
    let slow = world.begin(&client, "ann", Some(id), Some(START + SECOND * 2), START).await.expect("older");
    let quick = world.begin(&client, "ann", Some(id), Some(START + SECOND * 3), START).await.expect("newer");
    for login in [&quick, &slow] {
        let admitted = client.admit(&world.security, login, START).expect("both are told it went well");
        assert_eq!(admitted.unique_id, id);
    }
    drop((slow, quick));
    assert_eq!(world.read(&client, id, START + SECOND * 2), Ok(()), "the newer one's end holds");
    assert_eq!(world.logouts(), 2);
}

#[tokio::test]
async fn expiry_said_of_an_old_subject_leaves_the_new_one_alone() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let id = world.login(&client, "ann", None, None, START).await.expect("login").unique_id;
    let cell = client.cell(id).expect("cell");
    let old = world.security.admit(&cell, START).expect("live").as_ref().map(Arc::clone).expect("subject");
    world.login(&client, "ann", Some(id), None, START).await.expect("renewal");
    cell.expire_subject(&old, START);
    assert_eq!(world.read(&client, id, START), Ok(()));
}

struct Deaf;

impl CellWatcher for Deaf {
    fn changed(&self) {}
}

/// Two threads of a client that log in at once leave two logins; a feed may rest on the one that the client forgets.
#[tokio::test]
async fn a_login_frees_what_waits_for_its_user_under_another_id() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let end = START + SECOND;
    let ann = world.login(&client, "ann", None, Some(end), START).await.expect("login").unique_id;
    let again = world.login(&client, "ann", None, Some(end), START).await.expect("login").unique_id;
    let bob = world.login(&client, "bob", None, Some(end), START).await.expect("login").unique_id;
    for id in [ann, bob] {
        client.cell(id).expect("cell").watch(Some(Arc::new(Deaf)));
    }
    world.login(&client, "ann", Some(again), Some(end + SECOND), end).await.expect("renewal");
    assert_eq!(world.read(&client, ann, end), Ok(()));
    assert!(world.read(&client, bob, end).expect_err("somebody else").is_expired());
    let cells = [ann, again].map(|id| client.cell(id).expect("cell"));
    let shared =
        world.security.admit(&cells[0], end).expect("live").as_ref().map(Arc::clone).expect("subject");
    cells[0].expire_subject(&shared, end);
    assert!(world.read(&client, again, end).expect_err("the manager has ended it").is_expired());
    drop((shared, cells));
    world.security.end_idle_logins(end);
    assert_eq!(world.logouts(), 4, "one for each login");
}

/// Somebody with a login of their own opens a feed under a client's identity.
#[tokio::test]
async fn a_strangers_feed_does_not_part_a_user_from_the_login_of_the_feed() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let end = START + SECOND;
    let mut cells = Vec::new();
    for name in ["ann", "stranger"] {
        let login = world.begin(&client, name, None, Some(end), START).await.expect("accepted");
        cells.push(client.admit_feed(&world.security, &login, START).expect("in time"));
    }
    world.login(&client, "ann", None, Some(end + SECOND), START).await.expect("names no id");
    assert_eq!(cells.iter().map(|cell| cell.is_live(end)).collect::<Vec<_>>(), [true, false]);
}

#[tokio::test]
async fn what_has_ended_goes_on_with_a_newer_login_of_its_user_alone() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let end = START + SECOND;
    let mut cells = Vec::new();
    for (name, end) in [("ann", end), ("bob", end + SECOND), ("ann", end + SECOND)] {
        let id = world.login(&client, name, None, Some(end), START).await.expect("login").unique_id;
        cells.push(client.cell(id).expect("cell"));
    }
    assert!(client.go_on(&cells[0], end) && cells[0].is_live(end));
    assert!(!client.go_on(&cells[1], end + SECOND), "nobody else's");
    assert!(!client.go_on(&cells[0], end + SECOND), "they have ended both");
}

#[tokio::test]
async fn a_revoked_login_comes_back_only_by_a_newer_credential() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let id = world.login(&client, "ann", None, None, START).await.expect("login").unique_id;
    let other = world.login(&client, "bob", None, None, START).await.expect("login").unique_id;
    let under_way = world.begin(&client, "ann", Some(id), None, START).await.expect("asked before");
    let before = START + SECOND;
    let revocation =
        Revocation { scope: RevocationScope::Principal("ann".into()), before, reason: "left".into() };
    world.security.revoke(&revocation, before);
    assert!(world.read(&client, id, before).expect_err("cut").is_expired());
    assert_eq!(world.read(&client, other, before), Ok(()), "bob is not concerned");
    let late = client.admit(&world.security, &under_way, before);
    assert!(late.expect_err("made before").is_expired());
    world.login(&client, "ann", Some(id), None, before).await.expect("made at that instant");
    assert_eq!(world.read(&client, id, before), Ok(()));
    assert_eq!(world.metrics.revocations.get(), 1);
}

#[tokio::test]
async fn a_revoked_session_takes_neither_the_user_nor_other_sessions_with_it() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let login = |name| world.login(&client, name, None, None, START);
    let laptop = login("ann@laptop").await.expect("login").unique_id;
    let phone = login("ann@phone").await.expect("login").unique_id;
    let late = world.begin(&client, "ann@laptop", Some(phone), None, START).await.expect("asked before");
    let elsewhere = world.begin(&client, "ann@desk", Some(laptop), None, START).await.expect("asked before");
    let before = START + SECOND;
    let scope = RevocationScope::Session("laptop".into());
    world.security.revoke(&Revocation { scope, before, reason: "signed out".into() }, before);
    assert!(world.read(&client, laptop, before).expect_err("cut").is_expired());
    assert_eq!(world.read(&client, phone, before), Ok(()), "another session of hers");
    assert!(client.admit(&world.security, &late, before).expect_err("of that session").is_expired());
    client.admit(&world.security, &elsewhere, before).expect("of another, although it is older");
    assert_eq!(world.read(&client, laptop, before), Ok(()));
    assert_eq!(world.metrics.revocations.get(), 1);
}

#[tokio::test]
async fn removing_an_id_ends_its_login() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let id = world.login(&client, "ann", None, None, START).await.expect("login").unique_id;
    let cell = client.cell(id).expect("cell");
    let removals = client.removals();
    assert!(client.remove(id));
    assert_ne!(client.removals(), removals);
    assert!(!cell.is_live(START) && world.logouts() == 1);
    assert!(!client.remove(id));
}

#[tokio::test]
async fn a_client_has_at_most_its_bound_of_users() {
    let policies = SecurityPolicies { ids_per_client: 3, ..SecurityPolicies::default() };
    let world = World::new(policies);
    let client = world.security.connect(b"client");
    let mut ids = Vec::new();
    for name in ["a", "b", "c", "d"] {
        ids.push(world.login(&client, name, None, None, START).await.expect("login").unique_id);
    }
    assert_eq!(client.len(), 3);
    assert_eq!(world.read(&client, ids[0], START), Err(unknown_user()), "the oldest went");
    assert_eq!(world.read(&client, ids[3], START), Ok(()));
    assert_eq!(world.logouts(), 1);
}

#[tokio::test]
async fn permits_are_remembered_for_one_login() {
    let world = World::with(TestManager::with_scope(DecisionScope::Region), SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let id = world.login(&client, "ann", None, None, START).await.expect("login").unique_id;
    for _ in 0..3 {
        world.read(&client, id, START).expect("permitted");
    }
    assert_eq!(world.manager.take_asked().len(), 1);
    world.login(&client, "ann", Some(id), None, START).await.expect("renewal");
    world.read(&client, id, START).expect("permitted");
    assert_eq!(world.manager.take_asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_manager_that_hangs_meets_the_login_time() {
    let world = World::new(SecurityPolicies::default());
    world.manager.delay_login(Duration::from_secs(3600));
    let client = world.security.connect(b"client");
    let began = tokio::time::Instant::now();
    let refused = world.login(&client, "ann", None, None, START).await;
    assert!(matches!(refused, Err(AuthError::Unavailable(_))), "{refused:?}");
    assert_eq!(began.elapsed(), logins::LOGIN_TIME);
}

#[tokio::test(start_paused = true)]
async fn few_logins_are_under_way_at_a_time() {
    let policies = SecurityPolicies { concurrent_logins: 1, ..SecurityPolicies::default() };
    let world = World::new(policies);
    world.manager.delay_login(SECOND);
    let client = world.security.connect(b"client");
    let began = tokio::time::Instant::now();
    let (one, two) = tokio::join!(
        world.login(&client, "ann", None, None, START),
        world.login(&client, "bob", None, None, START),
    );
    one.and(two).expect("both, one after the other");
    assert_eq!(began.elapsed(), SECOND * 2);
}

#[tokio::test]
async fn a_login_that_nobody_takes_is_logged_out() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let login = world.begin(&client, "ann", None, None, START).await.expect("granted");
    drop(login);
    assert_eq!((world.manager.logins(), world.logouts()), (1, 1));
    // And one that is given up before the manager has answered owes no logout.
    world.manager.delay_login(SECOND);
    {
        let asked = pin!(world.begin(&client, "ann", None, None, START));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(asked.poll(&mut context), Poll::Pending));
    }
    assert_eq!((world.manager.logins(), world.logouts()), (1, 1));
}

/// D9-06: what is left after a day of logins that live a second.
#[tokio::test]
async fn a_day_of_short_logins_leaves_nothing_behind() {
    let world = World::new(SecurityPolicies::default());
    let client = world.security.connect(b"client");
    let mut ids: Vec<Option<i64>> = vec![None; 3];
    let mut now = START;
    for _ in 0..24 * 3600 / 10 {
        for (user, id) in ids.iter_mut().enumerate() {
            let admitted = world.login(&client, &user.to_string(), *id, Some(now + SECOND), now).await;
            *id = Some(admitted.expect("login").unique_id);
        }
        now = now + SECOND * 10;
        world.security.end_idle_logins(now);
        world.security.log_out();
        assert_eq!((client.len(), world.metrics.logins_live.get()), (3, 0));
        assert_eq!(world.security.deadlines.len(), 0);
    }
    drop(client);
    assert_eq!(world.logouts(), world.manager.logins());
}
