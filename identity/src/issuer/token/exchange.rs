//! One access token for another (RFC 8693): for a narrower scope or another audience, or to act for somebody.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::{for_subject, granted, members_of, wanted_audience, wanted_scope};
use crate::error::{Error, ErrorCode, OAuthError};
use crate::issuer::Issuer;
use crate::issuer::client_auth::Client;
use crate::issuer::http::Form;
use crate::issuer::routes::Answer;
use crate::issuer::scope::{IDENTITY, IMPERSONATE, is_covered, meet};
use crate::session::{Grant, Inspected, Opening, Session, SubjectCut, SubjectEvent};
use crate::store::Commit;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// Who acts for whom who acts for whom, and no further.
const MAX_ACTORS: usize = 4;

/// A token that was shown, and is good.
struct Shown {
    session: Session,
    sid: String,
    scope: Vec<String>,
    life_left: Duration,
}

impl Issuer {
    pub(super) async fn token_for_token(&self, client: &Client, form: &Form) -> Answer {
        check_types(form)?;
        let subject = form.required("subject_token", "subject_token is missing")?;
        let subject = self.shown(client, subject).await?;
        let actor = match form.get("actor_token") {
            Some(token) => Some(self.shown(client, token).await?),
            None => None,
        };
        let other = actor.filter(|actor| actor.session.opened.subject != subject.session.opened.subject);
        let grant = match other {
            None => self.narrow(client, form, &subject).await?,
            Some(actor) => self.impersonate(client, form, &subject, &actor).await?,
        };
        let mut members: Map<String, Value> = members_of(&grant, self.now());
        members.insert("issued_token_type".into(), json!(ACCESS_TOKEN));
        Ok(granted(members))
    }

    /// A token of ours that is good now and concerns the client; everything else is a mistake of the caller's
    /// (RFC 8693, 2.2.2).
    async fn shown(&self, client: &Client, token: &str) -> Result<Shown, Error> {
        let wrong =
            OAuthError::new(ErrorCode::InvalidRequest, "a token is not a good access token of this issuer");
        match self.sessions.inspect(token).await? {
            Some(Inspected::Access { claims, session, active: true }) if client.is_concerned_by(&session) => {
                Ok(Shown {
                    sid: claims.sid.to_string(),
                    life_left: claims.ends_at.saturating_since(self.now()),
                    scope: claims.scope,
                    session: *session,
                })
            }
            _ => Err(wrong.into()),
        }
    }

    /// The same subject, for no more and no longer than the token that was shown, and over with its session.
    async fn narrow(&self, client: &Client, form: &Form, subject: &Shown) -> Result<Grant, Error> {
        let scope = exchanged_scope(client, form, &subject.scope)?;
        let opened = &subject.session.opened;
        let opening = Opening {
            subject: opened.subject.clone(),
            client: client.id.clone(),
            scope,
            audience: wanted_audience(client, form)?,
            auth_time: opened.auth_time,
            amr: opened.amr.clone(),
            actors: opened.actors.clone(),
            actor_sid: Some(subject.sid.clone()),
            login: opened.login.clone(),
            refreshable: false,
            access_life: Some(subject.life_left.min(self.config.sessions.access_life)),
        };
        self.sessions.open(opening, &client.id).await
    }

    /// The actor as the subject: if that is switched on, if the actor may, and until the actor's session ends.
    async fn impersonate(
        &self,
        client: &Client,
        form: &Form,
        subject: &Shown,
        actor: &Shown,
    ) -> Result<Grant, Error> {
        self.check_impersonation(subject, actor)?;
        let target = subject.session.opened.subject.clone();
        let entitlements = self.entitlements_of(&target).await?.unwrap_or_default();
        let scope = exchanged_scope(client, form, &subject.scope)?;
        let scope: Vec<String> = for_subject(&scope, &entitlements);
        let by = actor.session.opened.subject.clone();
        let mut actors = vec![by.clone()];
        actors.extend(actor.session.opened.actors.iter().cloned());
        let life = self.config.sessions.impersonation_life.min(subject.life_left).min(actor.life_left);
        let opening = Opening {
            subject: target.clone(),
            client: client.id.clone(),
            scope,
            audience: wanted_audience(client, form)?,
            auth_time: actor.session.opened.auth_time,
            amr: actor.session.opened.amr.clone(),
            actors,
            actor_sid: Some(actor.sid.clone()),
            login: None,
            refreshable: false,
            access_life: Some(life),
        };
        let now = self.now();
        let mut commit = Commit::new(&by, now);
        let grant = self.sessions.prepare(&mut commit, opening, now)?;
        let event = SubjectEvent::Impersonated { by, client: client.id.clone(), sid: grant.sid.to_string() };
        let record = self.store.load::<SubjectCut>(&target).await?;
        commit.change::<SubjectCut>(&target, record, &[event])?;
        self.store.commit(commit).await?;
        Ok(grant)
    }

    fn check_impersonation(&self, subject: &Shown, actor: &Shown) -> Result<(), OAuthError> {
        let refused = |text| Err(OAuthError::new(ErrorCode::InvalidRequest, text));
        if !self.config.impersonation {
            return refused("acting for others is switched off");
        }
        if actor.session.opened.actors.len() + 1 > MAX_ACTORS {
            return refused("too many act for one another");
        }
        let right = format!("{IMPERSONATE}{}", subject.session.opened.subject);
        if is_covered(&right, &actor.scope) {
            Ok(())
        } else {
            refused("the actor may not act for this subject")
        }
    }
}

/// What of a token's scope is handed on: no more than it has, and never the right to act further or to operate.
fn exchanged_scope(client: &Client, form: &Form, shown: &[String]) -> Result<Vec<String>, OAuthError> {
    let wanted = wanted_scope(client, form)?;
    let mut scope = meet(&wanted, shown);
    scope.retain(|one| !one.starts_with("identity:") && !IDENTITY.contains(&one.as_str()));
    let asked = form.get("scope").is_some();
    if asked && scope.is_empty() {
        return Err(OAuthError::new(
            ErrorCode::InvalidScope,
            "the token that was shown has nothing of this scope",
        ));
    }
    Ok(scope)
}

/// Only access tokens, in and out.
fn check_types(form: &Form) -> Result<(), OAuthError> {
    let wrong = |text| Err(OAuthError::new(ErrorCode::InvalidRequest, text));
    if form.required("subject_token_type", "subject_token_type is missing")? != ACCESS_TOKEN {
        return wrong("the subject token must be an access token");
    }
    match (form.get("actor_token"), form.get("actor_token_type")) {
        (None, None) | (Some(_), Some(ACCESS_TOKEN)) => {}
        (Some(_), _) => return wrong("the actor token must be an access token, and its type given"),
        (None, Some(_)) => return wrong("actor_token is missing"),
    }
    if form.get("requested_token_type").is_some_and(|kind| kind != ACCESS_TOKEN) {
        return wrong("only access tokens are issued for other tokens");
    }
    Ok(())
}
