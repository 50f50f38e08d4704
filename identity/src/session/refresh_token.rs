//! Refresh tokens: a counter with a proof. Nothing of them is stored, and any that was ever given out is recognised.
//!
//! `"rt1." + base64url(sid[16] ‖ generation:u32 ‖ HMAC-SHA-256(k, "rt1" ‖ issuer ‖ sid ‖ generation ‖ client))`, where `k`
//! comes from a master key and the session's salt.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

use super::{Session, SessionId};
use crate::seal::{SealError, Sealer};

/// What every refresh token begins with, for scanners that look for leaked secrets too.
const PREFIX: &str = "rt1.";
/// The key of the proof is used for nothing else.
const LABEL: &[u8] = b"druse refresh 1";
const PROOF_BYTES: usize = 32;
/// Session, generation, proof.
const BYTES: usize = 16 + 4 + PROOF_BYTES;

/// A refresh token, taken apart and not yet believed. `Debug` leaves out the proof.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshToken {
    sid: SessionId,
    generation: u32,
    proof: [u8; PROOF_BYTES],
}

impl RefreshToken {
    /// The token of a session and a generation.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] if the session's master key is not at hand.
    pub fn issue(
        sid: SessionId,
        generation: u32,
        session: &Session,
        issuer: &str,
        sealer: &Sealer,
    ) -> Result<Self, SealError> {
        let tag = hmac::sign(&key_of(session, sealer)?, &proven(sid, generation, session, issuer));
        let mut proof = [0; PROOF_BYTES];
        proof.copy_from_slice(tag.as_ref());
        Ok(Self { sid, generation, proof })
    }

    /// Takes a text apart; `None` if it is no refresh token of ours, whatever the proof.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX)?;
        if encoded.len() != BYTES.div_ceil(3) * 4 - 2 {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (sid, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, proof) = rest.split_first_chunk::<4>()?;
        let proof = proof.try_into().ok()?;
        Some(Self { sid: SessionId(*sid), generation: u32::from_be_bytes(*generation), proof })
    }

    /// The session that it says it is of.
    #[must_use]
    pub const fn sid(&self) -> SessionId {
        self.sid
    }

    /// Its number.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Whether it was issued by us for this session and its client. Takes the same time whatever the answer.
    ///
    /// # Errors
    /// [`SealError::UnknownKey`] if the session's master key is not at hand.
    pub fn is_proven(&self, session: &Session, issuer: &str, sealer: &Sealer) -> Result<bool, SealError> {
        let message = proven(self.sid, self.generation, session, issuer);
        Ok(hmac::verify(&key_of(session, sealer)?, &message, &self.proof).is_ok())
    }

    /// The text that the client gets. Whoever has it has the session.
    #[must_use]
    pub fn reveal(&self) -> String {
        let bytes = [self.sid.0.as_slice(), &self.generation.to_be_bytes(), &self.proof].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken")
            .field("sid", &self.sid)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

fn key_of(session: &Session, sealer: &Sealer) -> Result<hmac::Key, SealError> {
    let opened = &session.opened;
    sealer.authentication_key(&opened.master_kid, opened.salt.as_bytes(), LABEL)
}

/// What the proof is over. Each text has its length in front, so that no two tokens have the same.
fn proven(sid: SessionId, generation: u32, session: &Session, issuer: &str) -> Vec<u8> {
    let mut message = Vec::from(PREFIX);
    for text in [issuer.as_bytes(), &sid.0, &generation.to_be_bytes(), session.opened.client.as_bytes()] {
        message.extend_from_slice(&(text.len() as u64).to_be_bytes());
        message.extend_from_slice(text);
    }
    message
}
