//! `druse watch`: what happens in a region, one line an event, until somebody interrupts.

use clap::Args;
use druse_client::feed::{
    ContinuousQuery, CqEvent, FeedState, Interest, InterestResultPolicy, QueueFate, RegionEvent, Subscription,
};
use druse_client::{Client, Error, Region, Value};

use super::Failure;
use super::region::{Connect, failure, print_line, with_client};

#[derive(Debug, Args)]
#[command(
    after_help = "Events go to standard output: what happened, the key and the value, with tabs between. What happens \
    to the feed (connected, interrupted, a login that could not be renewed) goes to standard error.\n\n\
    Example: druse watch --server HOST:PORT /orders --where 'this.total > 100'"
)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    connect: Connect,
    /// Region, such as /orders
    region: String,
    /// Only entries whose value satisfies this OQL condition; the value's name is `this`
    #[arg(long = "where", value_name = "OQL")]
    condition: Option<String>,
    /// Leave out the entries that are there when it begins
    #[arg(long)]
    changes_only: bool,
    /// End after so many lines
    #[arg(long, value_name = "N")]
    lines: Option<u64>,
}

/// What is to be said about one event.
enum Said {
    Event(String),
    State(String),
}

pub(crate) fn run(args: WatchArgs) -> Result<(), Failure> {
    with_client(&args.connect, async |client| {
        tokio::select! {
            outcome = watch(client, &args) => outcome,
            // The usual way to end it.
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    })
}

async fn watch(client: &Client, args: &WatchArgs) -> Result<(), Failure> {
    let mut stream = Stream::open(client, args).await.map_err(failure)?;
    let mut left = args.lines.unwrap_or(u64::MAX);
    while left > 0 {
        match stream.next().await.ok_or_else(|| Failure::work("the stream has ended"))?.map_err(failure)? {
            Said::Event(line) => {
                print_line(&line)?;
                left -= 1;
            }
            Said::State(line) => eprintln!("{line}"),
        }
    }
    Ok(())
}

/// A whole region, or a part of it.
enum Stream {
    Region(Subscription<Value, Value>),
    Query(ContinuousQuery<Value, Value>),
}

impl Stream {
    async fn open(client: &Client, args: &WatchArgs) -> Result<Self, Error> {
        let region: Region<Value, Value> = client.region(&args.region);
        let Some(condition) = &args.condition else {
            let policy = match args.changes_only {
                true => InterestResultPolicy::None,
                false => InterestResultPolicy::KeysValues,
            };
            return Ok(Self::Region(region.subscribe(Interest::all_keys()).result_policy(policy).await?));
        };
        let query = format!("SELECT * FROM {} this WHERE {condition}", region.path());
        let query = client.continuous_query(query);
        Ok(Self::Query(if args.changes_only { query.await? } else { query.with_initial_results().await? }))
    }

    async fn next(&mut self) -> Option<Result<Said, Error>> {
        loop {
            let said = match self {
                Self::Region(stream) => stream.next().await?.map(of_region),
                Self::Query(query) => query.next().await?.map(of_query),
            };
            if let Some(said) = said.transpose() {
                return Some(said);
            }
        }
    }
}

fn of_region(event: RegionEvent<Value, Value>) -> Option<Said> {
    Some(match event {
        RegionEvent::Snapshot { key, value } => line("snapshot", Some(&key), value.as_ref()),
        RegionEvent::Created { key, value } => line("created", Some(&key), value.as_ref()),
        RegionEvent::Updated { key, value } => line("updated", Some(&key), value.as_ref()),
        RegionEvent::Invalidated { key } => line("invalidated", Some(&key), None),
        RegionEvent::Destroyed { key } => line("destroyed", Some(&key), None),
        RegionEvent::Cleared => line("cleared", None, None),
        RegionEvent::RegionInvalidated => line("region invalidated", None, None),
        RegionEvent::RegionDestroyed => line("region destroyed", None, None),
        RegionEvent::Feed(state) => Said::State(shown(&state)?),
        _ => return None,
    })
}

fn of_query(event: CqEvent<Value, Value>) -> Option<Said> {
    Some(match event {
        CqEvent::Initial { key, value } => line("initial", Some(&key), value.as_ref()),
        CqEvent::Created { key, value } => line("created", Some(&key), value.as_ref()),
        CqEvent::Updated { key, value } => line("updated", Some(&key), value.as_ref()),
        CqEvent::Invalidated { key } => line("invalidated", Some(&key), None),
        CqEvent::Destroyed { key, value } => line("destroyed", Some(&key), value.as_ref()),
        CqEvent::Failed { key } => line("failed", Some(&key), None),
        CqEvent::Cleared => line("cleared", None, None),
        CqEvent::RegionInvalidated => line("region invalidated", None, None),
        CqEvent::RegionDestroyed => line("region destroyed", None, None),
        CqEvent::Feed(state) => Said::State(shown(&state)?),
        _ => return None,
    })
}

fn line(what: &str, key: Option<&Value>, value: Option<&Value>) -> Said {
    let mut line = what.to_owned();
    for part in [key, value].into_iter().flatten() {
        line.push('\t');
        line.push_str(&part.to_string());
    }
    Said::Event(line)
}

/// What happened to the feed, for people; nothing where it is of no interest to them.
fn shown(state: &FeedState) -> Option<String> {
    Some(match state {
        FeedState::Connected { server, queue } => match queue {
            QueueFate::TimedOut => format!("connected to {server}; what it kept has been given up meanwhile"),
            QueueFate::New | QueueFate::Kept => format!("connected to {server}"),
        },
        FeedState::Interrupted { server, reason } => format!("{server} is lost: {}", chain(&**reason)),
        FeedState::Resynchronised { .. } => "events may be missing; what is there now follows".to_owned(),
        FeedState::NotRegistered(error) => format!("not registered: {}", chain(&**error)),
        FeedState::ReauthenticationFailed(error) => format!("no new login: {}", chain(&**error)),
        FeedState::Held => "the login has run out; events wait".to_owned(),
        FeedState::Released => "the login is good again".to_owned(),
        FeedState::Revoked => "the login was revoked".to_owned(),
        _ => return None,
    })
}

/// An error with what it stems from.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(said: Option<Said>) -> String {
        match said {
            Some(Said::Event(line)) => line,
            Some(Said::State(line)) => format!("({line})"),
            None => String::new(),
        }
    }

    #[test]
    fn an_event_is_a_line_and_a_state_stands_apart() {
        let key = Value::Integer(1);
        let updated = RegionEvent::Updated { key: key.clone(), value: Some(Value::Integer(2)) };
        assert_eq!(text(of_region(updated)), "updated\t1\t2");
        assert_eq!(text(of_region(RegionEvent::Destroyed { key })), "destroyed\t1");
        assert_eq!(text(of_region(RegionEvent::Cleared)), "cleared");
        assert_eq!(text(of_region(RegionEvent::SnapshotComplete)), "");
        assert_eq!(text(of_query(CqEvent::Feed(FeedState::Held))), "(the login has run out; events wait)");
    }
}
