//! Lays the sources of a configuration over one another: defaults, file, environment, command line.
//!
//! Each value remembers where it was set last. This knows keys and types, which are those of the defaults; what a key
//! allows is the business of its section.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::environment;
use super::error::{ConfigError, ConfigErrors, Origin};
use super::value::{Given, Kind, shown};

/// How much alike two keys must be for one to be offered in place of the other; 1 is the same.
const LIKENESS: f64 = 0.6;

struct Setting {
    kind: Kind,
    value: Value,
    origin: Origin,
}

/// The value of every key, as far as the sources have been read, and what was wrong with them.
pub(super) struct Layers {
    /// By `section.key`.
    settings: BTreeMap<String, Setting>,
    errors: Vec<ConfigError>,
}

impl Layers {
    /// The first layer: it says which keys there are, and of which type.
    pub(super) fn of_defaults(text: &str) -> Self {
        let mut layers = Self { settings: BTreeMap::new(), errors: Vec::new() };
        for (section, content) in layers.parse(text, &Origin::Default) {
            let Value::Table(content) = content else { continue };
            for (key, value) in content {
                if let Some(kind) = Kind::of(&value) {
                    layers.settings.insert(format!("{section}.{key}"), Setting { kind, value, origin: Origin::Default });
                }
            }
        }
        layers
    }

    /// The values of a TOML file.
    pub(super) fn add_file(&mut self, path: &Path) {
        let origin = Origin::File(path.to_owned());
        let table = match fs::read_to_string(path) {
            Ok(text) => self.parse(&text, &origin),
            Err(source) => return self.errors.push(ConfigError::Unreadable { origin, source }),
        };
        for (section, content) in table {
            match content {
                Value::Table(content) if !content.is_empty() => {
                    for (key, value) in content {
                        self.set(&format!("{section}.{key}"), Given::Typed(value), origin.clone());
                    }
                }
                Value::Table(_) if self.sections().contains(section.as_str()) => {}
                _ => self.refuse_unknown(&section, origin.clone()),
            }
        }
    }

    /// The values of environment variables; those that are none of ours are left alone.
    pub(super) fn add_environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let ours = variables.into_iter().filter_map(|(variable, text)| Some((environment::key_of(&variable)?, (variable, text))));
        let ours: BTreeMap<String, (String, String)> = ours.collect();
        for (key, (variable, text)) in &ours {
            let Some(secret) = environment::secret_of_file_key(key) else {
                self.set(key, Given::Text(text), Origin::Environment { variable: variable.clone() });
                continue;
            };
            match ours.get(secret) {
                None => self.add_secret_file(secret, variable, Path::new(text)),
                Some((other, _)) => self.errors.push(ConfigError::SetTwice {
                    origin: Origin::Environment { variable: variable.clone() },
                    key: secret.to_owned(),
                    other: other.clone(),
                }),
            }
        }
    }

    fn add_secret_file(&mut self, key: &str, variable: &str, path: &Path) {
        let origin = Origin::SecretFile { variable: variable.to_owned(), path: path.to_owned() };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(source) => return self.errors.push(ConfigError::Unreadable { origin, source }),
        };
        let secret = text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        let is_list = self.settings.get(key).is_some_and(|setting| matches!(setting.kind, Kind::List(_)));
        let given = if is_list { &secret.lines().collect::<Vec<_>>().join(",") } else { secret };
        self.set(key, Given::Text(given), origin);
        // An empty secret means "not set" elsewhere; whoever names a file meant to set it.
        if secret.is_empty() {
            self.refuse(key, &Value::from(""), "a file that is not empty".to_owned());
        }
    }

    /// The values of `section.key=value` pairs.
    pub(super) fn add_overrides(&mut self, pairs: &[String]) {
        for pair in pairs {
            match pair.split_once('=') {
                Some((key, text)) => self.set(key, Given::Text(text), Origin::CommandLine),
                None => self.errors.push(ConfigError::NotAPair { origin: Origin::CommandLine, text: leading_key(pair) }),
            }
        }
    }

    fn set(&mut self, key: &str, given: Given<'_>, origin: Origin) {
        let Some(setting) = self.settings.get_mut(key) else {
            return self.refuse_unknown(key, origin);
        };
        match setting.kind.read(given) {
            Ok(value) => (setting.value, setting.origin) = (value, origin),
            Err(value) => self.errors.push(ConfigError::WrongType {
                origin,
                key: key.to_owned(),
                value: shown(key, &value),
                allowed: setting.kind.name(),
            }),
        }
    }

    /// The value of a key as it stands.
    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        self.settings.get(key).map(|setting| &setting.value)
    }

    /// Notes that `value`, which is that of `key` or a part of it, is not allowed.
    pub(super) fn refuse(&mut self, key: &str, value: &Value, allowed: String) {
        let origin = self.settings.get(key).map_or(Origin::Default, |setting| setting.origin.clone());
        self.errors.push(ConfigError::NotAllowed { origin, key: key.to_owned(), value: shown(key, value), allowed });
    }

    /// Notes that there is no such key.
    pub(super) fn refuse_unknown(&mut self, key: &str, origin: Origin) {
        let nearest = self.nearest(key);
        self.errors.push(ConfigError::UnknownKey { origin, key: key.to_owned(), nearest });
    }

    /// The known key that is most like `wanted`, which may be a key without its section.
    fn nearest(&self, wanted: &str) -> Option<String> {
        let wanted = wanted.to_ascii_lowercase();
        let likeness = |known: &str| {
            let bare = known.split_once('.').filter(|_| !wanted.contains('.')).map_or(known, |(_, bare)| bare);
            strsim::normalized_damerau_levenshtein(&wanted, known).max(strsim::normalized_damerau_levenshtein(&wanted, bare))
        };
        let candidates = self.settings.keys().map(|known| (likeness(known), known));
        let (likeness, known) = candidates.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (likeness >= LIKENESS).then(|| known.clone())
    }

    fn sections(&self) -> BTreeSet<&str> {
        self.settings.keys().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect()
    }

    /// The table that `text` holds; an empty one, and an error noted, when it is no TOML.
    fn parse(&mut self, text: &str, origin: &Origin) -> Table {
        text.parse().unwrap_or_else(|error: toml::de::Error| {
            // Only the message is kept: the error itself shows the line, which may hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            self.errors.push(ConfigError::Syntax { origin: origin.clone(), line, reason: error.message().to_owned() });
            Table::new()
        })
    }

    /// The values as `T`, unless anything was wrong.
    pub(super) fn finish<T: DeserializeOwned>(self) -> Result<T, ConfigErrors> {
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        let mut sections = BTreeMap::<String, Table>::new();
        for (key, setting) in self.settings {
            if let Some((section, key)) = key.split_once('.') {
                sections.entry(section.to_owned()).or_default().insert(key.to_owned(), setting.value);
            }
        }
        let table: Table = sections.into_iter().map(|(section, content)| (section, Value::Table(content))).collect();
        table.try_into().map_err(|error| ConfigErrors(vec![ConfigError::Inconsistent(error)]))
    }
}

/// The first characters of `text` that can be part of a key: what follows them may be a secret.
fn leading_key(text: &str) -> String {
    text.chars().take_while(|&character| character.is_ascii_alphanumeric() || character == '_' || character == '.').collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::super::check::Check;
    use super::*;

    const DEFAULTS: &str = "
        [store]
        url = 'sqlite://x'
        readers = 4
        [retry]
        delays = [5, 300]
        jitter = 0.2
        [egress]
        allow = []
        allow_http = true
        [root]
        key = ''
        [secrets]
        key = []
    ";

    fn layers() -> Layers {
        Layers::of_defaults(DEFAULTS)
    }

    fn env(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        variables.iter().map(|&(variable, text)| (variable.to_owned(), text.to_owned())).collect()
    }

    fn pairs(pairs: &[&str]) -> Vec<String> {
        pairs.iter().map(|&pair| pair.to_owned()).collect()
    }

    /// A file that lives as long as the folder.
    fn file(text: &str) -> (TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("given");
        fs::write(&path, text).unwrap();
        (folder, path)
    }

    /// The errors, with the path of the file cut to its name.
    fn errors(layers: &Layers, folder: Option<&TempDir>) -> Vec<String> {
        let folder = folder.map_or_else(|| "none".to_owned(), |folder| format!("{}/", folder.path().display()));
        layers.errors.iter().map(|error| error.to_string().replace(&folder, "")).collect()
    }

    fn errors_of_file(text: &str) -> Vec<String> {
        let (folder, path) = file(text);
        let mut layers = layers();
        layers.add_file(&path);
        errors(&layers, Some(&folder))
    }

    fn errors_of_env(variables: &[(&str, &str)]) -> Vec<String> {
        let mut layers = layers();
        layers.add_environment(env(variables));
        errors(&layers, None)
    }

    fn errors_of_flags(flags: &[&str]) -> Vec<String> {
        let mut layers = layers();
        layers.add_overrides(&pairs(flags));
        errors(&layers, None)
    }

    #[test]
    fn a_later_source_wins_over_an_earlier_one() {
        let (_folder, path) = file("[store]\nreaders = 5\nurl = 'sqlite://file'\n[retry]\njitter = 0.3\n");
        let mut layers = layers();

        layers.add_file(&path);
        layers.add_environment(env(&[("DISPATCHER_STORE_READERS", "6"), ("DISPATCHER_STORE_URL", "sqlite://env")]));
        layers.add_overrides(&pairs(&["store.readers=7", "store.readers=8"]));

        assert_eq!(layers.value("store.readers"), Some(&Value::from(8)));
        assert_eq!(layers.value("store.url"), Some(&Value::from("sqlite://env")));
        assert_eq!(layers.value("retry.jitter"), Some(&Value::from(0.3)));
        assert_eq!(layers.value("egress.allow_http"), Some(&Value::from(true)));
    }

    #[test]
    fn a_refused_value_is_blamed_on_the_source_that_set_it_last() {
        let (folder, path) = file("[store]\nreaders = 5\n[retry]\njitter = 0.3\n");
        let mut layers = layers();
        layers.add_file(&path);
        layers.add_environment(env(&[("DISPATCHER_RETRY_JITTER", "0.4")]));

        layers.refuse("store.readers", &Value::from(5), "x".to_owned());
        layers.refuse("retry.jitter", &Value::from(0.4), "x".to_owned());
        layers.refuse("store.url", &Value::from("u"), "x".to_owned());

        assert_eq!(
            errors(&layers, Some(&folder)),
            [
                "file given: store.readers = 5 is not allowed; allowed is x",
                "environment variable DISPATCHER_RETRY_JITTER: retry.jitter = 0.4 is not allowed; allowed is x",
                "default: store.url = \"u\" is not allowed; allowed is x",
            ]
        );
    }

    #[test]
    fn text_is_read_by_the_type_of_the_default() {
        let mut layers = layers();

        layers.add_environment(env(&[
            ("DISPATCHER_STORE_URL", "5"),
            ("DISPATCHER_RETRY_DELAYS", "7, 8"),
            ("DISPATCHER_RETRY_JITTER", "0"),
            ("DISPATCHER_EGRESS_ALLOW_HTTP", "false"),
            ("DISPATCHER_EGRESS_ALLOW", "1,2"),
        ]));
        layers.add_overrides(&pairs(&["retry.delays=", "store.url=a=b"]));

        assert_eq!(layers.value("store.url"), Some(&Value::from("a=b")));
        assert_eq!(layers.value("retry.delays"), Some(&Value::Array(Vec::new())));
        assert_eq!(layers.value("retry.jitter"), Some(&Value::from(0.0)));
        assert_eq!(layers.value("egress.allow_http"), Some(&Value::from(false)));
        assert_eq!(layers.value("egress.allow"), Some(&Value::from(vec!["1", "2"])));
        assert!(errors(&layers, None).is_empty());
    }

    #[test]
    fn a_wrong_type_is_refused_with_the_type_of_the_key() {
        assert_eq!(
            errors_of_file("[store]\nreaders = 'many'\nurl = 5\n[retry]\ndelays = [5, 'x']\n[egress]\nallow_http = { x = 1 }\n"),
            [
                "file given: egress.allow_http = { x = 1 } has the wrong type; allowed is true or false",
                "file given: retry.delays = [5, \"x\"] has the wrong type; allowed is a list of integers",
                "file given: store.readers = \"many\" has the wrong type; allowed is an integer",
                "file given: store.url = 5 has the wrong type; allowed is a string",
            ]
        );
        assert_eq!(
            errors_of_env(&[("DISPATCHER_RETRY_JITTER", "much")]),
            ["environment variable DISPATCHER_RETRY_JITTER: retry.jitter = \"much\" has the wrong type; allowed is a number"]
        );
        assert_eq!(
            errors_of_flags(&["egress.allow_http=yes"]),
            ["command line: egress.allow_http = \"yes\" has the wrong type; allowed is true or false"]
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        assert_eq!(
            errors_of_file("[store]\nreader = 5\n[stroe]\nurl = 'x'\n[other]\n"),
            [
                "file given: there is no key other",
                "file given: there is no key store.reader; the nearest is store.readers",
                "file given: there is no key stroe.url; the nearest is store.url",
            ]
        );
        assert_eq!(errors_of_file("reders = 5\n"), ["file given: there is no key reders; the nearest is store.readers"]);
        assert_eq!(
            errors_of_env(&[("DISPATCHER_STORE_READRES", "5"), ("DISPATCHER_Store_URL", "x"), ("DISPATCHER_ELSEWHERE", "x")]),
            [
                "environment variable DISPATCHER_Store_URL: there is no key Store.URL; the nearest is store.url",
                "environment variable DISPATCHER_ELSEWHERE: there is no key elsewhere",
                "environment variable DISPATCHER_STORE_READRES: there is no key store.readres; the nearest is store.readers",
            ]
        );
        assert_eq!(errors_of_flags(&["egress.alow=x"]), ["command line: there is no key egress.alow; the nearest is egress.allow"]);
    }

    #[test]
    fn a_known_section_may_be_empty_but_must_be_a_section() {
        assert!(errors_of_file("[store]\n").is_empty());
        assert_eq!(errors_of_file("retry = 5\n"), ["file given: there is no key retry"]);
    }

    #[test]
    fn a_flag_must_be_a_pair() {
        assert_eq!(
            errors_of_flags(&["store.readers", "root.key:hush"]),
            [
                "command line: store.readers is not of the form section.key=value",
                "command line: root.key is not of the form section.key=value",
            ]
        );
    }

    #[test]
    fn a_file_that_is_missing_or_no_toml_is_refused() {
        let mut missing = layers();
        missing.add_file(Path::new("/nowhere/at-all.toml"));

        assert_eq!(errors(&missing, None), ["file /nowhere/at-all.toml: it cannot be read"]);
        assert_eq!(errors_of_file("[store]\nreaders = 5\nreaders = 6\n"), ["file given: line 3 is no TOML: duplicate key"]);
    }

    #[test]
    fn a_broken_line_is_not_shown_because_it_may_hold_a_secret() {
        let (_folder, path) = file("[root]\nkey = \"hush-hush\n");
        let mut layers = layers();
        layers.add_file(&path);

        let errors = ConfigErrors(layers.errors);

        assert!(errors.to_string().contains("line 2 is no TOML"), "{errors}");
        assert!(!format!("{errors} {errors:?}").contains("hush"), "{errors:?}");
    }

    #[test]
    fn a_secret_can_come_from_a_file_without_its_last_line_break() {
        for (text, secret) in [("hush", "hush"), ("hush\n", "hush"), ("hush\r\n", "hush"), (" hush\n\n", " hush\n")] {
            let (_folder, path) = file(text);
            let mut layers = layers();

            layers.add_environment(env(&[("DISPATCHER_ROOT_KEY_FILE", path.to_str().unwrap())]));

            assert_eq!(layers.value("root.key"), Some(&Value::from(secret)));
            assert!(errors(&layers, None).is_empty());
        }
    }

    #[test]
    fn a_list_of_secrets_can_come_from_a_file_with_one_on_each_line() {
        for text in ["new,old", "new\nold", "new\r\nold\r\n"] {
            let (_folder, path) = file(text);
            let mut layers = layers();

            layers.add_environment(env(&[("DISPATCHER_SECRETS_KEY_FILE", path.to_str().unwrap())]));

            assert_eq!(layers.value("secrets.key"), Some(&Value::from(vec!["new", "old"])));
            assert!(errors(&layers, None).is_empty());
        }
    }

    #[test]
    fn a_file_of_a_secret_must_be_readable_not_empty_and_the_only_source_in_the_environment() {
        let (folder, path) = file("\n");
        let mut empty = layers();
        empty.add_environment(env(&[("DISPATCHER_ROOT_KEY_FILE", path.to_str().unwrap())]));

        assert_eq!(
            errors(&empty, Some(&folder)),
            [
                "file given of environment variable DISPATCHER_ROOT_KEY_FILE: root.key = \"\" is not allowed; allowed is a file that is not empty"
            ]
        );
        assert_eq!(
            errors_of_env(&[("DISPATCHER_ROOT_KEY_FILE", "/nowhere/at-all")]),
            ["file /nowhere/at-all of environment variable DISPATCHER_ROOT_KEY_FILE: it cannot be read"]
        );
        assert_eq!(
            errors_of_env(&[("DISPATCHER_ROOT_KEY_FILE", "/nowhere/at-all"), ("DISPATCHER_ROOT_KEY", "hush")]),
            ["environment variable DISPATCHER_ROOT_KEY_FILE: root.key is set by DISPATCHER_ROOT_KEY too; only one of them may be set"]
        );
    }

    #[test]
    fn only_secrets_come_from_files() {
        assert_eq!(
            errors_of_env(&[("DISPATCHER_STORE_URL_FILE", "/etc/passwd")]),
            ["environment variable DISPATCHER_STORE_URL_FILE: there is no key store.url_file; the nearest is store.url"]
        );
    }

    #[test]
    fn variables_that_are_not_ours_are_left_alone() {
        assert!(errors_of_env(&[("PATH", "x"), ("DISPATCHER_CONFIG", "x.toml"), ("DISPATCHER_TEST_ANY", "1")]).is_empty());
    }

    #[test]
    fn a_rule_for_a_key_without_a_default_is_an_error() {
        let mut layers = layers();

        Check::of("store", &mut layers).text("uri", "x", |_| true);

        assert_eq!(errors(&layers, None), ["default: there is no key store.uri; the nearest is store.url"]);
    }
}
