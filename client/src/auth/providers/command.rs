//! A token printed by a program.

use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;

use druse_protocol::auth::{
    AuthInitialize, BoxFuture, CredentialRequest, Credentials, ProvidedCredentials, ProviderError,
};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use zeroize::Zeroizing;

use super::super::token_life;

/// The most that a program may print.
const MAX_BYTES: u64 = 64 * 1024;

/// Runs a program for each credential and takes its standard output as the token; white space around it is dropped.
///
/// The program finds the user in `DRUSE_USER` and the server in `DRUSE_SERVER`. It is killed if the gate's deadline
/// comes first. An exit status other than 0 is a refusal; its standard error goes to the client's own.
#[derive(Debug, Clone)]
pub struct CommandCredentials {
    program: OsString,
    arguments: Vec<OsString>,
}

impl CommandCredentials {
    /// Runs `program` with `arguments`, without a shell.
    #[must_use]
    pub fn new(
        program: impl Into<OsString>,
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect() }
    }

    async fn run(&self, request: CredentialRequest) -> Result<ProvidedCredentials, ProviderError> {
        let name = self.program.to_string_lossy();
        let unavailable = |what: &str, error: std::io::Error| ProviderError::Unavailable {
            message: format!("credential command {name} {what}"),
            source: Some(Arc::new(error)),
        };
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .env("DRUSE_USER", &request.user)
            .env("DRUSE_SERVER", &request.server)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| unavailable("cannot be started", error))?;
        let mut output = Zeroizing::new(String::new());
        if let Some(stdout) = child.stdout.take() {
            stdout
                .take(MAX_BYTES)
                .read_to_string(&mut output)
                .await
                .map_err(|error| unavailable("printed no text", error))?;
        }
        let status = child.wait().await.map_err(|error| unavailable("was lost", error))?;
        if !status.success() {
            let message = format!("credential command {name} ended with {status}");
            return Err(ProviderError::Denied { message, source: None });
        }
        match output.trim() {
            "" => {
                let message = format!("credential command {name} printed nothing");
                Err(ProviderError::Denied { message, source: None })
            }
            token => {
                let mut provided = ProvidedCredentials::new(Credentials::token(token));
                provided.expires_at = token_life::expiry_of(token);
                Ok(provided)
            }
        }
    }
}

impl AuthInitialize for CommandCredentials {
    fn credentials(
        &self,
        request: CredentialRequest,
    ) -> BoxFuture<'_, Result<ProvidedCredentials, ProviderError>> {
        Box::pin(self.run(request))
    }
}
