//! How a command fails: a sentence, its causes, what to do, and an exit status.

use std::error::Error;
use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Work,
    Usage,
    Unreachable,
    Absent,
}

impl Failure {
    /// The work itself failed: status 1.
    pub(crate) fn work(message: impl Into<String>) -> Self {
        Self::new(Kind::Work, message)
    }

    /// The command line or a file that it names is wrong: status 2.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message)
    }

    /// A node could not be started, or a server not be reached: status 3.
    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Kind::Unreachable, message)
    }

    /// There is nothing under the key: status 4, and no words on standard error that a script would have to silence.
    pub(crate) fn absent() -> Self {
        Self::new(Kind::Absent, "")
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// Adds an error and everything that it stems from.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat a cause in the text of what it caused.
            if !self.causes.last().is_some_and(|last| last.contains(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Says what to do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn print(&self) {
        if self.kind == Kind::Absent {
            return;
        }
        eprint!("error: {}", self.message);
        for cause in &self.causes {
            eprint!(": {cause}");
        }
        eprintln!();
        if let Some(hint) = &self.hint {
            eprintln!("hint: {hint}");
        }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self.kind {
            Kind::Work => 1,
            Kind::Usage => 2,
            Kind::Unreachable => 3,
            Kind::Absent => 4,
        })
    }
}
