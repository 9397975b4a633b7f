//! What a person reads on standard output, from the opening to the last line.

use std::io::{self, Write};

use secrecy::{ExposeSecret as _, SecretString};

use super::DemoOptions;
use super::folder::Folder;
use super::operator::Delivery;
use super::outcome::Outcome;
use super::report;
use super::setup::DOCUMENTED_PORT;
use super::stage::Stage;

/// Writes for a person.
pub(super) struct Screen<'a> {
    out: &'a mut (dyn Write + Send),
}

impl<'a> Screen<'a> {
    /// A screen on `out`.
    pub(super) fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Self { out }
    }

    /// What is going to happen.
    pub(super) fn opening(&mut self, options: &DemoOptions) -> io::Result<()> {
        let DemoOptions { documents, per_second, .. } = options;
        writeln!(
            self.out,
            "webhook-dispatcher demo: from a finished document to its delivery, all on this machine.

  1. Starts a dispatcher on a fresh SQLite file, and a receiver that wants its callers to log in.
  2. Registers the example webhook of the OCR service's documentation over REST, word for word.
  3. Hands in {documents} documents, {per_second} a second. Some meet errors, slow answers or a revoked access token.
  4. Finds the one that the receiver refuses among the dead letters, and redelivers it after a repair.
  5. Holds what the dispatcher recorded against what the receiver saw, document by document.
"
        )
    }

    /// Where everything runs, and the registered webhook.
    pub(super) fn stage(&mut self, stage: &Stage, folder: &Folder) -> io::Result<()> {
        writeln!(self.out, "dispatcher  http://{}, store {}", stage.dispatcher(), folder.store().display())?;
        let moved = if stage.receiver_port() == DOCUMENTED_PORT { "" } else { ", the next free port after the documentation's 5000" };
        writeln!(self.out, "receiver    http://localhost:{}{moved}", stage.receiver_port())?;
        writeln!(self.out, "\nPOST /api_document/document_webhooks was answered with\n{:#}\n", stage.webhook)?;
        self.out.flush()
    }

    /// A dead letter was found and redelivered.
    pub(super) fn redelivered(&mut self, dead: &Delivery, explanation: &str, now: &Delivery) -> io::Result<()> {
        writeln!(self.out, "Dead letter: document {}\n  \"{explanation}\"", dead.subject)?;
        writeln!(self.out, "  The receiver is repaired; POST /v1/deliveries/{}/redeliver made it {}.\n", dead.id, now.state)?;
        self.out.flush()
    }

    /// What became of it all.
    pub(super) fn report(&mut self, outcome: &Outcome) -> io::Result<()> {
        report::write(outcome, &mut self.out)?;
        self.out.flush()
    }

    /// What can be done now that it is over and still runs.
    pub(super) fn playground(&mut self, stage: &Stage, folder: &Folder) -> io::Result<()> {
        let (base, keys) = (format!("http://{}", stage.dispatcher()), &stage.keys);
        writeln!(self.out, "\nEverything still runs, and the receiver takes what comes. Ctrl-C ends it.\n")?;
        writeln!(self.out, "  dispatcher    {base}")?;
        writeln!(self.out, "  receiver      http://localhost:{}", stage.receiver_port())?;
        writeln!(self.out, "  webhook       {}", stage.webhook["id"].as_str().unwrap_or_default())?;
        for (name, key) in [("admin key", &keys.admin), ("producer key", &keys.producer), ("operator key", &keys.operator)] {
            writeln!(self.out, "  {name:13} {}", key.expose_secret())?;
        }
        writeln!(self.out, "  store         {}, kept when it ends", folder.path().display())?;
        let completions = format!("{base}/api_document/completions");
        let document = r#"-H 'Content-Type: application/json' -d '{"id": "my-document", "status": 1, "statusDesc": "FINISHED"}'"#;
        let deliveries = format!("'{base}/v1/deliveries?subject=my-document'");
        self.call("Hand in a document of your own:", &keys.producer, &format!("{completions} {document}"))?;
        self.call("See what became of it:", &keys.operator, &deliveries)?;
        self.call("See the webhook:", &keys.admin, &format!("{base}/api_document/document_webhooks"))?;
        self.out.flush()
    }

    /// Where the store is left.
    pub(super) fn kept(&mut self, folder: &Folder) -> io::Result<()> {
        writeln!(self.out, "\nStopped. The store is kept in {}", folder.path().display())
    }

    fn call(&mut self, what: &str, key: &SecretString, rest: &str) -> io::Result<()> {
        writeln!(self.out, "\n{what}\n  curl -sw '\\n' -H 'X-API-KEY: {}' {rest}", key.expose_secret())
    }
}
