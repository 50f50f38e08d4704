//! Closing so that the last answer arrives.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long the peer may take to notice that the node has finished.
const PATIENCE: Duration = Duration::from_millis(250);

/// How much of what it still sends is thrown away.
const DISCARD_BYTES: u64 = 1 << 20;

/// Says that nothing more will come and passes over what the peer may still have sent: a socket that is closed with
/// unread bytes makes the system reset the connection, and the peer may lose the answer that is under way.
pub(crate) async fn say<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) {
    let goodbye = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(DISCARD_BYTES), &mut tokio::io::sink()).await
    };
    // The peer may be gone, or deaf; either way this is the end.
    let _ = tokio::time::timeout(PATIENCE, goodbye).await;
}
