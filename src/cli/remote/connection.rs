//! Which dispatcher a command is for, and with whose key it calls.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use secrecy::SecretString;
use url::Url;

use super::exit::Ended;
use crate::cli::variable;
use crate::config::environment::{API_KEY, API_KEY_FILE, CLIENT_ID, URL};
use crate::domain::ids::ClientId;
use crate::egress::UnusableClient;
use crate::rest::RestClient;

/// Where a dispatcher listens unless it is told otherwise.
const DEFAULT_URL: &str = "http://127.0.0.1:8080";

/// Which dispatcher, and with whose key. The key itself is no argument: other users of the machine would see it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(super) struct ConnectionArgs {
    /// Where the dispatcher listens; `DISPATCHER_URL` names it too. Without either it is looked for at 127.0.0.1:8080.
    #[arg(long, global = true, value_name = "URL", value_parser = server_url)]
    url: Option<Url>,
    /// A file that holds the API key; `DISPATCHER_API_KEY_FILE` names one too, and `DISPATCHER_API_KEY` holds the key itself.
    #[arg(long, global = true, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// A file with CA certificates that are trusted beside the system's.
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// With a root key: the client to act for; `DISPATCHER_CLIENT_ID` names it too.
    #[arg(long, global = true, value_name = "ID")]
    client: Option<ClientId>,
    /// Prints what the REST interface answers, for scripts.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl ConnectionArgs {
    /// A client of that dispatcher.
    ///
    /// # Errors
    /// When there is no key, or none that can be used, or no connection could ever be trusted.
    pub(super) fn client(&self) -> anyhow::Result<RestClient> {
        let rest = RestClient::new(self.server()?, self.ca_file.as_deref()).map_err(unusable)?;
        let rest = rest.with_key(&self.key()?).map_err(Ended::usage)?;
        Ok(match self.acting_for()? {
            Some(client_id) => rest.acting_for(client_id),
            None => rest,
        })
    }

    fn server(&self) -> anyhow::Result<Url> {
        if let Some(url) = &self.url {
            return Ok(url.clone());
        }
        let text = variable(URL).unwrap_or_else(|| DEFAULT_URL.to_owned());
        Ok(server_url(&text).map_err(|message| Ended::usage(format!("{URL}: {message}")))?)
    }

    fn key(&self) -> anyhow::Result<SecretString> {
        let file = self.key_file.clone().or_else(|| variable(API_KEY_FILE).map(PathBuf::from));
        let key = match (file, variable(API_KEY)) {
            (Some(file), _) => fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?,
            (None, Some(key)) => key,
            (None, None) => {
                return Err(Ended::usage(format!("an API key is needed: name its file with --key-file, or set {API_KEY}")).into());
            }
        };
        let key = key.trim();
        if key.is_empty() { Err(Ended::usage("the API key is empty").into()) } else { Ok(key.into()) }
    }

    fn acting_for(&self) -> anyhow::Result<Option<ClientId>> {
        if self.client.is_some() {
            return Ok(self.client);
        }
        let id = variable(CLIENT_ID).map(|text| text.parse()).transpose();
        Ok(id.map_err(|_| Ended::usage(format!("{CLIENT_ID} is no id")))?)
    }
}

/// The url of a dispatcher: nothing in it is secret, and it says nothing of what is asked for.
fn server_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must begin with http:// or https:// and name a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err("must hold no user, password, query or fragment".to_owned());
    }
    Ok(url)
}

/// In the words of the command line.
fn unusable(error: UnusableClient) -> anyhow::Error {
    match error {
        UnusableClient::CaFile { file, source } => {
            anyhow::Error::new(source).context(format!("the certificates of {} (--ca-file) cannot be used", file.display()))
        }
        UnusableClient::NoRoots => {
            anyhow::anyhow!("no CA certificates are installed on this system; install them, or name a file with --ca-file")
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_dispatcher_and_nothing_else() {
        for good in ["http://127.0.0.1:8080", "https://hooks.example/", "https://hooks.example/dispatcher", "http://[::1]:8080"] {
            assert!(server_url(good).is_ok(), "{good}");
        }
        for bad in ["127.0.0.1:8080", "ftp://a", "file:///etc", "http://u:p@a/", "https://a/?x", "https://a/#x", "", "http://"] {
            assert!(server_url(bad).is_err(), "{bad}");
        }
    }
}
