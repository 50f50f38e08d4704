//! What a token is worth now (RFC 7662), to clients that have shown that they are themselves.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::Issuer;
use super::http::{Request, Response};
use super::routes::Answer;
use super::token::for_subject;
use crate::error::Error;
use crate::session::{AccessClaims, Inspected, Session, SessionId, seconds};

impl Issuer {
    pub(super) async fn introspect(&self, request: &Request) -> Answer {
        let form = request.body_form()?;
        let client = self.authenticated_client_of(request, &form).await?;
        let token = form.required("token", "token is missing")?;
        let members = match self.sessions.inspect(token).await? {
            Some(Inspected::Access { claims, session, active: true }) if client.is_concerned_by(&session) => {
                self.about_access(&claims, &session).await?
            }
            Some(Inspected::Refresh { sid, session, active: true }) if session.opened.client == client.id => {
                Some(self.about_refresh(sid, &session))
            }
            _ => None,
        };
        // Whatever else it is, nothing more is said of it.
        let answer = members.map_or(json!({ "active": false }), Value::Object);
        Ok(Response::json(StatusCode::OK, &answer).uncached())
    }

    /// What an access token says, with what its subject may do today. `None` if the subject is shut out by now.
    async fn about_access(
        &self,
        claims: &AccessClaims,
        session: &Session,
    ) -> Result<Option<Map<String, Value>>, Error> {
        let of_itself = session.opened.subject == session.opened.client;
        let scope = match self.entitlements_of(&session.opened.subject).await? {
            Some(entitlements) if !of_itself => for_subject(&claims.scope, &entitlements),
            _ if of_itself => claims.scope.clone(),
            _ => return Ok(None),
        };
        let mut members = match claims.payload(session, &self.config.issuer) {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        members.insert("scope".into(), json!(scope.join(" ")));
        members.insert("active".into(), json!(true));
        members.insert("token_type".into(), json!("Bearer"));
        members.insert("username".into(), json!(session.opened.subject));
        Ok(Some(members))
    }

    fn about_refresh(&self, sid: SessionId, session: &Session) -> Map<String, Value> {
        let about = json!({
            "active": true,
            "iss": self.config.issuer,
            "sub": session.opened.subject,
            "client_id": session.opened.client,
            "scope": session.opened.scope.join(" "),
            "sid": sid.to_string(),
            "exp": seconds(session.ends_at()),
        });
        match about {
            Value::Object(members) => members,
            _ => Map::new(),
        }
    }
}
