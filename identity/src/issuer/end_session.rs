//! Logging out at the issuer (OpenID Connect RP-Initiated Logout 1.0).

use hyper::{Method, StatusCode};

use super::authorize::LoggedIn;
use super::http::{Form, Request, Response, with_parameters};
use super::id_token::Hint;
use super::{ClientRecord, Issuer, page};
use crate::error::Error;

impl Issuer {
    /// Ends the browser's login. Without a hint that it is of this login, somebody is asked first: else any site could
    /// log anybody out.
    pub(super) async fn end_session(&self, request: &Request) -> Response {
        let form = if request.method == Method::POST { request.body_form() } else { request.query_form() };
        let Ok(form) = form else {
            return page::failure(
                StatusCode::BAD_REQUEST,
                "The application has sent something that makes no sense.",
            );
        };
        match self.try_end_session(request, &form).await {
            Ok(response) => response,
            Err(error) => page::error(error),
        }
    }

    async fn try_end_session(&self, request: &Request, form: &Form) -> Result<Response, Error> {
        let hint = match form.get("id_token_hint") {
            Some(token) => self.hint(token).await?,
            None => None,
        };
        let Some(back) = self.address_after_logout(form, hint.as_ref()).await? else {
            let text = "The application wants you sent to an address that it has not registered.";
            return Ok(page::failure(StatusCode::BAD_REQUEST, text));
        };
        let login = self.login_of(request).await?;
        let confirmed = request.method == Method::POST && self.is_own_form(request, form.get("proof"));
        let hinted = self.login_of_hint(hint.as_ref()).await?;
        match (login, hinted) {
            (Some(login), hinted) if confirmed || hinted.as_ref() == Some(&login.id) => {
                self.logged_out(&login, &back).await
            }
            (Some(_), _) => self.ask(request, form),
            // The browser has forgotten, or the application speaks for itself: its sessions end all the same.
            (None, Some(hinted)) => {
                self.close_login(&hinted, "end-session").await?;
                Ok(self.goodbye(&back))
            }
            (None, None) => Ok(self.goodbye(&back)),
        }
    }

    async fn logged_out(&self, login: &LoggedIn, back: &Back) -> Result<Response, Error> {
        self.close_login(&login.id, &login.subject).await?;
        Ok(self.goodbye(back))
    }

    /// The login from which the session of a hint came.
    async fn login_of_hint(&self, hint: Option<&Hint>) -> Result<Option<String>, Error> {
        let Some(hint) = hint else { return Ok(None) };
        let session = self.sessions.load(hint.sid).await?;
        Ok(session.and_then(|session| session.state.opened.login))
    }

    /// Where to go afterwards; `None` if the client that asks has not registered it.
    async fn address_after_logout(&self, form: &Form, hint: Option<&Hint>) -> Result<Option<Back>, Error> {
        let Some(wanted) = form.get("post_logout_redirect_uri") else { return Ok(Some(Back::Nowhere)) };
        let named = form.get("client_id");
        let hinted = hint.map(|hint| hint.client.as_str());
        if named.is_some() && hinted.is_some() && named != hinted {
            return Ok(None);
        }
        let Some(id) = hinted.or(named) else { return Ok(None) };
        let client = self.store.load::<ClientRecord>(id).await?.filter(|client| !client.state.removed);
        let uris = client.map(|client| client.state.settings.post_logout_redirect_uris).unwrap_or_default();
        let state = form.get("state").map(str::to_owned);
        Ok(uris.iter().any(|uri| uri == wanted).then(|| Back::To(wanted.to_owned(), state)))
    }

    fn ask(&self, request: &Request, form: &Form) -> Result<Response, Error> {
        let proof = self.form_proof(request)?;
        let kept = ["client_id", "post_logout_redirect_uri", "state", "id_token_hint"];
        let kept: Vec<(&str, &str)> =
            kept.into_iter().filter_map(|name| Some((name, form.get(name)?))).collect();
        Ok(self.with_form_cookie(page::logout_question(&kept, &proof), &proof))
    }

    fn goodbye(&self, back: &Back) -> Response {
        let response = match back {
            Back::Nowhere => page::logged_out(),
            Back::To(address, None) => Response::redirect(address),
            Back::To(address, Some(state)) => {
                Response::redirect(&with_parameters(address, &[("state", state)]))
            }
        };
        self.without_login_cookie(response)
    }
}

/// Where the browser goes afterwards.
enum Back {
    Nowhere,
    To(String, Option<String>),
}
