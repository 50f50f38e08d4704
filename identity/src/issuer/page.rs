//! The few pages that people see. They work without scripts, in the light and in the dark, and with a screen reader.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::StatusCode;
use ring::digest::{SHA256, digest};

use super::http::Response;
use crate::error::Error;

/// The login page.
pub(super) struct LoginPage<'a> {
    /// Which application wants to know.
    pub(super) client: &'a str,
    /// The name that is filled in already.
    pub(super) name: &'a str,
    /// The authorization request, which comes back with the form.
    pub(super) parameters: &'a str,
    pub(super) proof: &'a str,
    /// What went wrong before.
    pub(super) problem: Option<&'a str>,
    /// Where the browser will be sent: its policy must let it go there after the form.
    pub(super) redirect_uri: &'a str,
}

impl LoginPage<'_> {
    pub(super) fn render(&self) -> Response {
        let problem = self.problem.map_or_else(String::new, |text| {
            format!(r#"<p class="problem" role="alert">{}</p>"#, escape(text))
        });
        // Who comes with a name types the password next.
        let (on_name, on_password) =
            if self.name.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
        let body = format!(
            r#"<h1>Log in</h1><p>to go on to <strong>{client}</strong></p>{problem}
<form method="post" action="/login">
<input type="hidden" name="request" value="{request}"><input type="hidden" name="proof" value="{proof}">
<label for="username">Name</label>
<input id="username" name="username" value="{name}" autocomplete="username" autocapitalize="none" spellcheck="false" required{on_name}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{on_password}>
<button type="submit">Log in</button>
</form>"#,
            client = escape(self.client),
            request = escape(self.parameters),
            proof = escape(self.proof),
            name = escape(self.name),
        );
        let status = if self.problem.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
        page(status, "Log in", &body, &origin(self.redirect_uri))
    }
}

/// Asks whether somebody really wants to be logged out. `kept` comes back with the answer.
pub(super) fn logout_question(kept: &[(&str, &str)], proof: &str) -> Response {
    let hidden = |(name, value): &(&str, &str)| {
        format!(r#"<input type="hidden" name="{}" value="{}">"#, escape(name), escape(value))
    };
    let hidden: String = kept.iter().map(hidden).collect();
    let back = kept.iter().find(|(name, _)| *name == "post_logout_redirect_uri");
    let body = format!(
        r#"<h1>Log out?</h1><p>You are logged in here. Applications in this browser that rely on it are logged out too.</p>
<form method="post" action="/end-session">{hidden}<input type="hidden" name="proof" value="{}">
<button type="submit" autofocus>Log out</button></form>"#,
        escape(proof)
    );
    page(StatusCode::OK, "Log out?", &body, &back.map_or_else(String::new, |(_, address)| origin(address)))
}

/// Says that it is done.
pub(super) fn logged_out() -> Response {
    page(StatusCode::OK, "Logged out", "<h1>Logged out</h1><p>You can close this page.</p>", "")
}

/// Says what is wrong with a request that cannot be answered otherwise.
pub(super) fn failure(status: StatusCode, text: &str) -> Response {
    let body = format!("<h1>This does not work</h1><p>{}</p>", escape(text));
    page(status, "This does not work", &body, "")
}

/// The same for what is nobody's or our own fault.
pub(super) fn error(error: Error) -> Response {
    match error {
        Error::Refused(error) => failure(StatusCode::BAD_REQUEST, error.description),
        Error::TooMany { .. } | Error::TryLater { .. } => {
            tracing::warn!(?error, "a page could not be shown now");
            failure(
                StatusCode::SERVICE_UNAVAILABLE,
                "The issuer cannot answer at the moment. Please try again.",
            )
        }
        ours @ (Error::Misconfigured(_) | Error::Bug(_)) => {
            tracing::error!(error = ?ours, "a page could not be shown, and it is our fault");
            failure(StatusCode::INTERNAL_SERVER_ERROR, "The issuer has failed. Its operator can see why.")
        }
    }
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1d2433;--paper:#f4f5f8;--card:#fff;--line:#8a93a6;--accent:#3346a8;--on:#fff;--bad:#a3161f}\
@media(prefers-color-scheme:dark){:root{--ink:#e8eaf0;--paper:#14171f;--card:#1e222d;--line:#7c869b;--accent:#a9b8ff;--on:#14171f;--bad:#ff9a9f}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\
main{width:min(24rem,100% - 2rem);padding:2rem;background:var(--card);border-radius:.75rem;box-shadow:0 1px 3px #0003}\
h1{margin:0 0 .25rem;font-size:1.5rem}p{margin:0 0 1rem;overflow-wrap:anywhere}\
label{display:block;margin:1rem 0 .25rem;font-weight:600}\
input{width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--line);border-radius:.4rem}\
button{width:100%;margin-top:1.5rem;padding:.7rem;font:inherit;font-weight:600;color:var(--on);background:var(--accent);border:0;border-radius:.4rem;cursor:pointer}\
input:focus-visible,button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}\
.problem{color:var(--bad);font-weight:600}";

fn page(status: StatusCode, title: &str, body: &str, form_target: &str) -> Response {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head>\n<body><main>\n{body}\n</main></body></html>\n"
    );
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self' {form_target}; base-uri 'none'; \
         frame-ancestors 'none'"
    );
    Response::text(status, "text/html; charset=utf-8", html)
        .uncached()
        .with("content-security-policy", &policy)
        .with("x-frame-options", "DENY")
        .with("x-content-type-options", "nosniff")
        // Our own forms are told from others' by their origin, which a stricter policy would hide.
        .with("referrer-policy", "same-origin")
}

/// The part of an address that a content security policy knows. The address has been registered; what could end a
/// directive is left out all the same.
fn origin(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once(':') else { return String::new() };
    match rest.strip_prefix("//") {
        Some(rest) if scheme.starts_with("http") => {
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            format!("{scheme}://{}", host.replace([';', ',', '\'', '"', ' '], ""))
        }
        _ => format!("{scheme}:"),
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_was_sent_becomes_part_of_the_page() {
        let evil = r#""><script>alert('x')</script>"#;
        let page = LoginPage {
            client: evil,
            name: evil,
            parameters: evil,
            proof: evil,
            problem: Some(evil),
            redirect_uri: "https://app.example/cb?x=1",
        };
        let response = page.render();
        let html = String::from_utf8(response.body.to_vec()).unwrap();
        assert!(!html.contains("<script") && !html.contains("alert('x')"), "{html}");
        let policy = response.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action 'self' https://app.example;"), "{policy}");
        assert_eq!(response.headers["cache-control"], "no-store");
    }

    #[test]
    fn origins_are_what_a_policy_knows() {
        assert_eq!(origin("http://127.0.0.1:3000/cb"), "http://127.0.0.1:3000");
        assert_eq!(origin("com.example.app:/cb"), "com.example.app:");
        assert_eq!(origin("https://a;script-src *"), "https://ascript-src*");
    }
}
