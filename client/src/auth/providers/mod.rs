//! Credential providers that come with the client. Your own implements
//! [`AuthInitialize`](druse_protocol::auth::AuthInitialize).

mod command;
mod file;
mod fixed;
mod function;
mod oauth;

pub use command::CommandCredentials;
pub use file::FileCredentials;
pub use fixed::StaticCredentials;
pub use function::BlockingCredentials;
pub use oauth::{ClientCredentials, LoginFile, RefreshTokenCredentials, TokenEndpointError};
