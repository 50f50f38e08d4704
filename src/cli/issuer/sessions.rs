//! `druse issuer session`.

use clap::{Args, Subcommand};
use druse_identity::session::{EndReason, Session, SessionId};
use druse_identity::store::{Column, Store, StoreError, Versioned};
use druse_protocol::time::Micros;

use super::data::{DataArgs, clock, operator, refused};
use crate::cli::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum SessionCommand {
    /// List the sessions that go on.
    List(ListArgs),
    /// End one session.
    End(EndArgs),
    /// End everything that somebody, or a client, has from before now.
    Cut(WhoseArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Only of this account or service
    #[arg(long, value_name = "NAME", conflicts_with = "client")]
    subject: Option<String>,
    /// Only through this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Those that have ended too
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EndArgs {
    /// Id of the session (sid)
    sid: String,
    #[command(flatten)]
    data: DataArgs,
}

#[derive(Debug, Args)]
#[group(skip)]
pub(crate) struct WhoseArgs {
    /// Of this account or service
    #[arg(long, value_name = "NAME", conflicts_with = "client", required_unless_present = "client")]
    subject: Option<String>,
    /// Through this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    #[command(flatten)]
    data: DataArgs,
}

pub(super) fn run(command: SessionCommand) -> Result<(), Failure> {
    match command {
        SessionCommand::List(args) => list(&args),
        SessionCommand::End(args) => end(&args),
        SessionCommand::Cut(args) => cut(&args),
    }
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    args.data.with_issuer(async |_, store| {
        let (mut after, now) = (String::new(), clock().now());
        loop {
            let page = page(args, &store, &after).await.map_err(|error| refused(&error))?;
            let Some(last) = page.last() else { return Ok(()) };
            after.clone_from(&last.id);
            for session in page.iter().filter(|session| args.all || !session.state.is_over(now)) {
                println!("{}", line(session, now));
            }
        }
    })
}

async fn page(args: &ListArgs, store: &Store, after: &str) -> Result<Vec<Versioned<Session>>, StoreError> {
    match (&args.subject, &args.client) {
        (Some(subject), _) => store.find("subject", Column::Text(subject.clone()), after).await,
        (None, Some(client)) => store.find("client", Column::Text(client.clone()), after).await,
        (None, None) => store.all(after).await,
    }
}

fn line(session: &Versioned<Session>, now: Micros) -> String {
    let (id, state) = (&session.id, &session.state);
    let opened = &state.opened;
    let life = match state.end {
        Some(end) => format!("ended: {:?}", end.reason),
        None => match state.overdue(now) {
            Some(reason) => format!("ended: {reason:?}"),
            None => format!("ends in {} s", state.ends_at().saturating_since(now).as_secs()),
        },
    };
    let actor = opened.actors.first().map_or_else(String::new, |actor| format!(" (acted for by {actor})"));
    format!("{id}\t{}{actor}\t{}\t{life}\t{}", opened.subject, opened.client, opened.scope.join(" "))
}

fn end(args: &EndArgs) -> Result<(), Failure> {
    let sid = SessionId::parse(&args.sid)
        .ok_or_else(|| Failure::usage(format!("{:?} is no id of a session", args.sid)))?;
    args.data.with_issuer(async |issuer, _| {
        let ended = issuer.sessions().end(sid, EndReason::Operator, &operator()).await;
        if ended.map_err(|error| refused(&error))? {
            println!("ended {sid}");
            Ok(())
        } else {
            Err(Failure::work("there is no such session, or it has ended already"))
        }
    })
}

fn cut(args: &WhoseArgs) -> Result<(), Failure> {
    args.data.with_issuer(async |issuer, _| {
        let sessions = issuer.sessions();
        let ended = match (&args.subject, &args.client) {
            (Some(subject), _) => sessions.cut_subject(subject, &operator()).await,
            (None, client) => sessions.cut_client(client.as_deref().unwrap_or_default(), &operator()).await,
        };
        println!("sessions ended: {}", ended.map_err(|error| refused(&error))?);
        Ok(())
    })
}
