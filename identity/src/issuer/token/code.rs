//! Authorization codes (RFC 6749, 4.1.3; RFC 7636, 4.5).

use super::{granted, members_of};
use crate::error::{Error, ErrorCode, OAuthError};
use crate::issuer::client_auth::Client;
use crate::issuer::code::{CodeEvent, CodeRecord, Issued, Redemption};
use crate::issuer::http::{Form, Response};
use crate::issuer::routes::Answer;
use crate::issuer::{GrantType, Issuer, LoginRecord};
use crate::session::{EndReason, Grant, Opening, SessionId, SubjectCut};
use crate::store::{Commit, Versioned};
use serde_json::json;

const NOT_GOOD: OAuthError = OAuthError::new(ErrorCode::InvalidGrant, "the code is not good");

impl Issuer {
    pub(super) async fn token_for_code(&self, client: &Client, form: &Form) -> Answer {
        let code = form.required("code", "code is missing")?;
        let redirect_uri = form.required("redirect_uri", "redirect_uri is missing")?;
        let verifier = form.required("code_verifier", "code_verifier is missing")?;
        let found = self.store.load::<CodeRecord>(&CodeRecord::id_of(code)).await?;
        // Another client's attempt changes nothing: else anybody could spoil a code that it has seen.
        let code = found.filter(|code| code.state.issued.client == client.id).ok_or(NOT_GOOD)?;
        match code.state.redeem(redirect_uri, verifier, self.now()) {
            Redemption::Open if self.is_still_logged_in(&code.state.issued).await? => {
                self.redeem(client, code).await
            }
            Redemption::Open | Redemption::Spend => self.spend(client, code).await,
            Redemption::Replayed { sid } => self.punish_replay(client, sid).await,
        }
    }

    /// Whether the login from which a code came still stands: a minute is long enough for an operator to end it.
    async fn is_still_logged_in(&self, issued: &Issued) -> Result<bool, Error> {
        let login = self.store.load::<LoginRecord>(&issued.login).await?;
        let cut = self.store.load::<SubjectCut>(&issued.subject).await?;
        let logged_in = login.is_some_and(|login| login.state.is_good(self.now()))
            && cut.is_none_or(|cut| issued.auth_time > cut.state.before);
        Ok(logged_in && self.entitlements_of(&issued.subject).await?.is_some())
    }

    /// Spends the code and opens the session in one transaction: of two who come at once, one gets it.
    async fn redeem(&self, client: &Client, code: Versioned<CodeRecord>) -> Answer {
        let now = self.now();
        let mut commit = Commit::new(&client.id, now);
        let grant = self.sessions.prepare(&mut commit, opening(client, &code.state.issued), now)?;
        let (id, issued) = (code.id.clone(), code.state.issued.clone());
        commit.change(&id, Some(code), &[CodeEvent::Spent { sid: Some(grant.sid.to_string()) }])?;
        self.store.commit(commit).await?;
        self.answer_with_id_token(&grant, &issued)
    }

    fn answer_with_id_token(&self, grant: &Grant, issued: &Issued) -> Answer {
        let mut members = members_of(grant, self.now());
        if grant.session.opened.scope.iter().any(|one| one == "openid") {
            let id_token = self.id_token(grant, issued.nonce.as_deref())?;
            members.insert("id_token".into(), json!(id_token));
        }
        Ok(granted(members))
    }

    async fn spend(&self, client: &Client, code: Versioned<CodeRecord>) -> Result<Response, Error> {
        let mut commit = Commit::new(&client.id, self.now());
        let id = code.id.clone();
        commit.change(&id, Some(code), &[CodeEvent::Spent { sid: None }])?;
        self.store.commit(commit).await?;
        Err(NOT_GOOD.into())
    }

    async fn punish_replay(&self, client: &Client, sid: Option<String>) -> Result<Response, Error> {
        if let Some(sid) = sid.as_deref().and_then(SessionId::parse) {
            tracing::warn!(%sid, client = client.id, "a code was presented twice: its session has ended");
            self.sessions.end(sid, EndReason::CodeReplayed, &client.id).await?;
        }
        Err(NOT_GOOD.into())
    }
}

fn opening(client: &Client, issued: &Issued) -> Opening {
    let offline = issued.scope.iter().any(|one| one == "offline_access");
    Opening {
        subject: issued.subject.clone(),
        client: client.id.clone(),
        scope: issued.scope.clone(),
        audience: issued.audience.clone(),
        auth_time: issued.auth_time,
        amr: vec!["pwd".into()],
        actors: Vec::new(),
        actor_sid: None,
        login: Some(issued.login.clone()),
        refreshable: offline && client.settings.grants.contains(&GrantType::RefreshToken),
        access_life: None,
    }
}
