//! The login page, and what is done with what comes from it.

use std::net::IpAddr;

use hyper::StatusCode;

use super::request::Authorization;
use crate::error::Error;
use crate::issuer::http::{Form, Request, Response};
use crate::issuer::page::{self, LoginPage};
use crate::issuer::{AccountRecord, AccountState, Issuer};

/// Alike for unknown names, wrong passwords and accounts that are shut out.
const WRONG: &str = "Name or password is wrong.";

impl Issuer {
    /// Shows the page on which somebody says who it is.
    pub(super) fn login_page(
        &self,
        request: &Request,
        authorization: &Authorization,
        parameters: &str,
        problem: Option<&'static str>,
    ) -> Response {
        match self.form_proof(request) {
            Ok(proof) => {
                let page = LoginPage {
                    client: &authorization.client_name,
                    name: authorization.login_hint.as_deref().unwrap_or_default(),
                    parameters,
                    proof: &proof,
                    problem,
                    redirect_uri: &authorization.redirect_uri,
                };
                self.with_form_cookie(page.render(), &proof)
            }
            Err(error) => page::error(error),
        }
    }

    /// Takes name and password from the login page. The authorization request comes back with them and is checked
    /// anew: nothing is kept for a browser that has not logged in.
    pub(in crate::issuer) async fn log_in(&self, request: &Request) -> Response {
        let Ok(form) = request.body_form() else {
            return page::failure(StatusCode::BAD_REQUEST, "The form could not be read.");
        };
        let parameters = form.get("request").unwrap_or_default();
        let authorization = match self.authorization(parameters).await {
            Ok(authorization) => authorization,
            Err(refusal) => return refusal,
        };
        if !self.is_own_form(request, form.get("proof")) {
            let problem = "Your browser did not keep the cookie of this page. Please try again.";
            return self.login_page(request, &authorization, parameters, Some(problem));
        }
        match self.subject_of(&form, request.peer).await {
            Ok(Some(subject)) => self.logged_in(&authorization, &subject).await,
            Ok(None) => self.login_page(request, &authorization, parameters, Some(WRONG)),
            Err(Error::TooMany { .. }) => {
                let problem = "Too many attempts. Please wait a moment.";
                self.login_page(request, &authorization, parameters, Some(problem))
            }
            Err(error) => self.turned_back(&authorization, error),
        }
    }

    async fn logged_in(&self, authorization: &Authorization, subject: &str) -> Response {
        match self.open_login(subject).await {
            Ok((login, cookie)) => {
                let response = self.send_code(authorization, &login).await;
                self.with_login_cookie(response, &cookie)
            }
            Err(error) => self.turned_back(authorization, error),
        }
    }

    /// Whose name and password they are.
    async fn subject_of(&self, form: &Form, peer: IpAddr) -> Result<Option<String>, Error> {
        let name = form.get("username").unwrap_or_default();
        let password = form.get("password").unwrap_or_default();
        let account = self.store.load::<AccountRecord>(name).await?;
        let enabled = account.is_some_and(|account| account.state.state == AccountState::Enabled);
        let hash = if enabled { self.password_hash(name).await? } else { None };
        let right = self.passwords.check(name, password, hash, peer, &*self.clock).await?;
        Ok(right.then(|| name.to_owned()))
    }

    async fn password_hash(&self, name: &str) -> Result<Option<String>, Error> {
        let secret = AccountRecord::password_secret(name);
        let hash = self.store.secret(&secret, &self.sealer).await?;
        Ok(hash.and_then(|hash| String::from_utf8(hash.to_vec()).ok()))
    }
}
