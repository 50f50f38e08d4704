//! A client for itself (RFC 6749, 4.4): no refresh token, and a session that ends with its access token.

use super::{granted, members_of, wanted_audience, wanted_scope};
use crate::issuer::Issuer;
use crate::issuer::client_auth::Client;
use crate::issuer::http::Form;
use crate::issuer::routes::Answer;
use crate::issuer::scope::IDENTITY;
use crate::session::Opening;

impl Issuer {
    pub(super) async fn token_for_client(&self, client: &Client, form: &Form) -> Answer {
        let now = self.now();
        // Nobody has logged in: there is nobody to tell anything of.
        let mut scope = wanted_scope(client, form)?;
        scope.retain(|one| !IDENTITY.contains(&one.as_str()));
        let opening = Opening {
            subject: client.id.clone(),
            client: client.id.clone(),
            scope,
            audience: wanted_audience(client, form)?,
            auth_time: now,
            amr: Vec::new(),
            actors: Vec::new(),
            actor_sid: None,
            login: None,
            refreshable: false,
            access_life: None,
        };
        let grant = self.sessions.open(opening, &client.id).await?;
        Ok(granted(members_of(&grant, now)))
    }
}
