//! What is wrong with a configuration, and where that came from.
//!
//! No error holds a secret: values are masked before they get here, and what an unknown key was set to is left out,
//! because it may be a secret under a mistyped name.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the program itself, `config/default.toml`.
    Default,
    /// In a configuration file.
    File(PathBuf),
    /// In an environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// In the file of a secret.
    SecretFile {
        /// The environment variable that names the file.
        variable: String,
        /// The file.
        path: PathBuf,
    },
    /// In a flag on the command line.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::SecretFile { variable, path } => write!(f, "file {} of environment variable {variable}", path.display()),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}

/// One thing that keeps the program from starting.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key, or a whole section, that does not exist.
    #[error("{origin}: there is no key {key}{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// Where it was set.
        origin: Origin,
        /// The key as `section.key`.
        key: String,
        /// The known key that is most like it, unless none is much like it.
        nearest: Option<String>,
    },
    /// A value of another type than the key has.
    #[error("{origin}: {key} = {value} has the wrong type; allowed is {allowed}")]
    WrongType {
        /// Where it was set.
        origin: Origin,
        /// The key as `section.key`.
        key: String,
        /// The value, masked when it is a secret.
        value: String,
        /// The type that the key has.
        allowed: &'static str,
    },
    /// A value that its key does not allow.
    #[error("{origin}: {key} = {value} is not allowed; allowed is {allowed}")]
    NotAllowed {
        /// Where it was set.
        origin: Origin,
        /// The key as `section.key`.
        key: String,
        /// The value, masked when it is a secret.
        value: String,
        /// What the key allows.
        allowed: String,
    },
    /// A secret that is set twice in the environment, as itself and as a file.
    #[error("{origin}: {key} is set by {other} too; only one of them may be set")]
    SetTwice {
        /// The variable that names the file.
        origin: Origin,
        /// The key as `section.key`.
        key: String,
        /// The variable that holds the secret itself.
        other: String,
    },
    /// A flag that is not of the form `section.key=value`.
    #[error("{origin}: {text} is not of the form section.key=value")]
    NotAPair {
        /// Where it was set.
        origin: Origin,
        /// What it begins with, as far as that can be a key.
        text: String,
    },
    /// A file that is no TOML.
    #[error("{origin}: line {line} is no TOML: {reason}")]
    Syntax {
        /// The file.
        origin: Origin,
        /// The line, counted from 1.
        line: usize,
        /// What the parser says, without the text of the line.
        reason: String,
    },
    /// A file that cannot be read.
    #[error("{origin}: it cannot be read")]
    Unreadable {
        /// The file.
        origin: Origin,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// Values passed every check and do not fit their structs: the program contradicts itself.
    #[error("the checked values do not fit the program")]
    Inconsistent(#[source] toml::de::Error),
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |key| format!("; the nearest is {key}"))
}

/// All that keeps the program from starting; never empty.
#[derive(Debug)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    /// One line for each error, each with its causes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        for error in &self.0 {
            write!(f, "\n  {error}")?;
            let mut cause = error.source();
            while let Some(error) = cause {
                write!(f, ": {error}")?;
                cause = error.source();
            }
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_stands_on_its_own_line_with_its_cause() {
        let unknown = ConfigError::UnknownKey { origin: Origin::CommandLine, key: "x.y".to_owned(), nearest: None };
        let unreadable = ConfigError::Unreadable {
            origin: Origin::SecretFile { variable: "DISPATCHER_ROOT_KEY_FILE".to_owned(), path: "/run/key".into() },
            source: io::Error::other("disk on fire"),
        };

        assert_eq!(
            ConfigErrors(vec![unknown, unreadable]).to_string(),
            "the configuration cannot be used\n  command line: there is no key x.y\n  \
             file /run/key of environment variable DISPATCHER_ROOT_KEY_FILE: it cannot be read: disk on fire"
        );
    }
}
