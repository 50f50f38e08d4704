//! What a browser keeps: the cookie of its login, and the one that shows that a form came from our page.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use druse_protocol::time::Micros;
use hyper::header::{HeaderName, ORIGIN};
use subtle::ConstantTimeEq as _;

use crate::error::Error;
use crate::issuer::Issuer;
use crate::issuer::http::{Request, Response};
use crate::issuer::login::{LoginEvent, LoginRecord};
use crate::session::{SubjectCut, random};
use crate::store::{Commit, StoreError};

/// Somebody is logged in at this browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoggedIn {
    /// What the login is known by in the store.
    pub(crate) id: String,
    pub(crate) subject: String,
    pub(crate) auth_time: Micros,
}

impl Issuer {
    /// Who is logged in at the browser.
    pub(in crate::issuer) async fn login_of(&self, request: &Request) -> Result<Option<LoggedIn>, Error> {
        let Some(cookie) = request.cookie(self.login_cookie()) else { return Ok(None) };
        let id = LoginRecord::id_of(cookie);
        let Some(login) = self.store.load::<LoginRecord>(&id).await? else { return Ok(None) };
        let login = login.state;
        let cut = self.store.load::<SubjectCut>(&login.subject).await?;
        let is_cut = cut.is_some_and(|cut| login.auth_time <= cut.state.before);
        let good = login.is_good(self.now()) && !is_cut;
        Ok(good.then_some(LoggedIn { id, subject: login.subject, auth_time: login.auth_time }))
    }

    /// Opens a login, and answers with it and the value of its cookie.
    pub(super) async fn open_login(&self, subject: &str) -> Result<(LoggedIn, String), Error> {
        let (cookie, now) = (URL_SAFE_NO_PAD.encode(random::<32>()?), self.now());
        let id = LoginRecord::id_of(&cookie);
        let opened = LoginEvent::Opened { subject: subject.into(), ends_at: now + self.config.login_life };
        let mut commit = Commit::new(subject, now);
        commit.change::<LoginRecord>(&id, None, &[opened])?;
        self.store.commit(commit).await?;
        Ok((LoggedIn { id, subject: subject.into(), auth_time: now }, cookie))
    }

    /// Ends a login, with the sessions that came from it and were not made to outlive it.
    pub(in crate::issuer) async fn close_login(&self, id: &str, actor: &str) -> Result<(), Error> {
        if let Some(login) = self.store.load::<LoginRecord>(id).await?.filter(|login| !login.state.ended) {
            let mut commit = Commit::new(actor, self.now());
            commit.change(id, Some(login), &[LoginEvent::Ended])?;
            match self.store.commit(commit).await {
                // Somebody else has ended it: all the same.
                Ok(_) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.sessions.end_login(id, actor).await?;
        Ok(())
    }

    pub(super) fn with_login_cookie(&self, response: Response, cookie: &str) -> Response {
        let life = self.config.login_life.as_secs();
        self.with_cookie(response, self.login_cookie(), cookie, &format!("; Max-Age={life}"))
    }

    pub(in crate::issuer) fn without_login_cookie(&self, response: Response) -> Response {
        self.with_cookie(response, self.login_cookie(), "", "; Max-Age=0")
    }

    /// A value that stands in a cookie and in the form: another site can make a browser send the one, and never knows
    /// the other. An old one is used again, so that two open pages do not disturb one another.
    pub(in crate::issuer) fn form_proof(&self, request: &Request) -> Result<String, Error> {
        let known = request.cookie(self.form_cookie()).filter(|value| value.len() == 43);
        match known {
            Some(known) if known.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') => {
                Ok(known.to_owned())
            }
            _ => Ok(URL_SAFE_NO_PAD.encode(random::<32>()?)),
        }
    }

    pub(in crate::issuer) fn with_form_cookie(&self, response: Response, proof: &str) -> Response {
        self.with_cookie(response, self.form_cookie(), proof, "")
    }

    /// Whether a form was filled in on our own page.
    pub(in crate::issuer) fn is_own_form(&self, request: &Request, proof: Option<&str>) -> bool {
        let cookie = request.cookie(self.form_cookie()).unwrap_or_default();
        let proof = proof.unwrap_or_default();
        let matches = !proof.is_empty() && bool::from(cookie.as_bytes().ct_eq(proof.as_bytes()));
        let origin = request.header(&ORIGIN).is_none_or(|origin| origin == self.config.issuer);
        let site = request.header(&HeaderName::from_static("sec-fetch-site"));
        matches && origin && site.is_none_or(|site| site == "same-origin")
    }

    /// With TLS the browser itself keeps the cookie to this host (RFC 6265bis, 4.1.3.2).
    const fn prefix(secure: bool) -> &'static str {
        if secure { "; Secure" } else { "" }
    }

    fn login_cookie(&self) -> &'static str {
        if self.config.is_https() { "__Host-druse-login" } else { "druse-login" }
    }

    fn form_cookie(&self) -> &'static str {
        if self.config.is_https() { "__Host-druse-form" } else { "druse-form" }
    }

    fn with_cookie(&self, response: Response, name: &str, value: &str, life: &str) -> Response {
        let secure = Self::prefix(self.config.is_https());
        let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{life}");
        response.with("set-cookie", &cookie)
    }
}
