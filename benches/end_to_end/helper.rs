//! This program in its other roles: how they are started, talked to and ended.
//!
//! A helper gets one line for each thing it shall do on its standard input and answers each with one line on its
//! standard output. It ends when its input closes, which happens however this process ends.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use tokio::sync::mpsc;

/// What this program can be besides the one that measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Takes deliveries in and counts them.
    Receiver,
    /// Enqueues completions.
    Load,
    /// Posts straight to the receiver.
    Ceiling,
    /// Holds a dispatcher and its folder.
    Keeper,
}

impl Role {
    const ALL: [Self; 4] = [Self::Receiver, Self::Load, Self::Ceiling, Self::Keeper];

    /// The role that a first argument stands for.
    pub(crate) fn from_argument(argument: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.argument() == argument)
    }

    fn argument(self) -> &'static str {
        match self {
            Self::Receiver => "role:receiver",
            Self::Load => "role:load",
            Self::Ceiling => "role:ceiling",
            Self::Keeper => "role:keeper",
        }
    }
}

/// A running helper. Dropped, it is told to end and waited for.
pub(crate) struct Helper {
    role: Role,
    child: Child,
    /// Taken when the helper shall end.
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts this program in another role.
    pub(crate) fn start(role: Role, arguments: &[&str]) -> anyhow::Result<Self> {
        use std::os::unix::process::CommandExt as _;

        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut command = Command::new(program);
        command.arg(role.argument()).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C reaches this process alone; the helpers then see their input close and put away what they hold.
        let mut child = command.process_group(0).spawn().with_context(|| format!("{role:?} cannot be started"))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else { bail!("{role:?} was started without pipes") };
        Ok(Self { role, child, input: Some(input), output: BufReader::new(output) })
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Says a line, and waits for the answer.
    pub(crate) fn ask(&mut self, line: &str) -> anyhow::Result<String> {
        let Some(input) = &mut self.input else { bail!("{:?} was told to end", self.role) };
        writeln!(input, "{line}").with_context(|| format!("{:?} does not listen any more", self.role))?;
        self.next_line()
    }

    /// The next line that it says.
    pub(crate) fn next_line(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        let length = self.output.read_line(&mut line).with_context(|| format!("{:?} cannot be heard", self.role))?;
        if length == 0 {
            bail!("{:?} ended without an answer; it says why above", self.role);
        }
        Ok(line.trim_end().to_owned())
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn end(mut self) -> anyhow::Result<()> {
        self.input = None;
        let status = self.child.wait()?;
        if !status.success() {
            bail!("{:?} ended with {status}", self.role);
        }
        Ok(())
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.input = None;
        // Whoever drops a helper unasked has an error to tell already.
        drop(self.child.wait());
    }
}

/// In a helper: the lines that it is told. When there are no more, the process ends at once.
pub(crate) fn incoming_lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
        std::process::exit(0);
    });
    lines
}

/// In a helper: says a line.
pub(crate) fn say(line: &str) -> anyhow::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{line}").and_then(|()| output.flush()).context("nobody listens any more")
}
