//! A browser without scripts: it keeps cookies, fills in the login page, and goes where it is sent.

use std::collections::BTreeMap;

use ureq::http::Response;
use ureq::{Agent, Body};

pub(super) struct Browser {
    agent: Agent,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    pub(super) fn new() -> Self {
        let config = Agent::config_builder().max_redirects(0).http_status_as_error(false).proxy(None);
        Self { agent: config.build().new_agent(), cookies: BTreeMap::new() }
    }

    /// Opens a login page, logs in, and goes back to the application. Answers with what it shows then.
    pub(super) fn log_in(&mut self, page: &str, name: &str, password: &str) -> String {
        let (origin, _) = page.split_once("/authorize").expect("an authorization request");
        let html = self.get(page).body_mut().read_to_string().expect("a page");
        let form = [
            ("request", hidden(&html, "request")),
            ("proof", hidden(&html, "proof")),
            ("username", name.to_owned()),
            ("password", password.to_owned()),
        ];
        let request = self.agent.post(format!("{origin}/login")).header("cookie", self.cookie());
        let response = request.send_form(form).expect("an answer");
        assert_eq!(response.status().as_u16(), 303, "the login is taken");
        let back = response.headers()["location"].to_str().expect("an address").to_owned();
        self.get(&back).body_mut().read_to_string().expect("a page")
    }

    pub(super) fn get(&mut self, address: &str) -> Response<Body> {
        let response = self.agent.get(address).header("cookie", self.cookie()).call().expect("an answer");
        for cookie in response.headers().get_all("set-cookie") {
            let pair = cookie.to_str().expect("text").split(';').next().expect("a cookie");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        response
    }

    fn cookie(&self) -> String {
        self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }
}

fn hidden(html: &str, name: &str) -> String {
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = html.split_once(&mark).unwrap_or_else(|| panic!("no {name} in {html}"));
    let (value, _) = rest.split_once('"').expect("an end");
    value.replace("&amp;", "&")
}
