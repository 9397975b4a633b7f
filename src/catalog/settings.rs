//! What a client may settle for a catalogue: what every catalogue knows, and what its file adds.

use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::event_kind::Words;
use super::schema::Breach;

/// What happens to an event that breaks its schema.
const ON_BREACH: &str = "onBreach";
/// Whether fields that a schema does not know are let through.
const EXTRA_FIELDS: &str = "extraFields";
/// What the system calls the client.
const TENANT: &str = "tenant";

/// The longest text.
const MAX_CHARS: usize = 255;

/// What happens to an event that breaks its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnBreach {
    /// It is not taken in.
    Refuse,
    /// It is taken in, and the answer warns.
    Warn,
}

/// One thing to settle.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its name, in camel case.
    pub name: String,
    /// What it may be.
    pub kind: SettingKind,
    /// What it is until it is settled; null for nothing.
    pub default: Value,
    /// What it is for.
    pub description: Words,
}

/// What a setting may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingKind {
    /// Text of at most 255 characters.
    Text,
    /// True or false.
    Flag,
    /// One of these texts.
    Choice(Vec<String>),
    /// A zone of the IANA database.
    TimeZone,
}

impl SettingKind {
    /// Whether `value` may be settled; says what it must be otherwise.
    ///
    /// # Errors
    /// To be read after the setting's name.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        let text = value.as_str();
        match self {
            Self::Flag if value.is_boolean() => Ok(()),
            Self::Flag => Err("must be true or false".to_owned()),
            Self::Text if text.is_some_and(is_plain) => Ok(()),
            Self::Text => Err(format!("must be text of 1 to {MAX_CHARS} characters")),
            Self::Choice(choices) if text.is_some_and(|text| choices.iter().any(|choice| choice == text)) => Ok(()),
            Self::Choice(choices) => Err(format!("must be one of {}", choices.join(", "))),
            Self::TimeZone if text.is_some_and(|text| text.parse::<Tz>().is_ok()) => Ok(()),
            Self::TimeZone => Err("must be a time zone such as America/Sao_Paulo".to_owned()),
        }
    }

    /// The word for it in catalogues and in the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Flag => "flag",
            Self::Choice(_) => "choice",
            Self::TimeZone => "time-zone",
        }
    }
}

fn is_plain(text: &str) -> bool {
    (1..=MAX_CHARS).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// What a client may settle for one catalogue.
#[derive(Clone, Debug)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// What every catalogue knows, and `own`.
    pub(super) fn with(own: Vec<Setting>) -> Self {
        Self(common().into_iter().chain(own).collect())
    }

    /// All, those that every catalogue knows first.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// Checks what a client wants to settle.
    ///
    /// # Errors
    /// Every setting that is unknown or not allowed, with what is wrong.
    pub fn check(&self, wanted: &Map<String, Value>) -> Result<(), Vec<(String, String)>> {
        let wrong = |(name, value): (&String, &Value)| {
            let known = self.0.iter().find(|setting| setting.name == *name);
            let reason = known.map_or_else(|| Some("is no setting of this catalogue".to_owned()), |known| known.kind.check(value).err());
            reason.map(|reason| (name.clone(), reason))
        };
        let errors: Vec<_> = wanted.iter().filter_map(wrong).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Every setting with what is in force.
    #[must_use]
    pub fn in_force(&self, settled: Option<&Map<String, Value>>) -> Map<String, Value> {
        let of = |setting: &Setting| settled.and_then(|settled| settled.get(&setting.name)).unwrap_or(&setting.default).clone();
        self.0.iter().map(|setting| (setting.name.clone(), of(setting))).collect()
    }

    /// What a breach comes to for this client; nothing where extra fields are let through and it is only one of those.
    #[must_use]
    pub fn weigh(settled: Option<&Map<String, Value>>, breach: &Breach) -> Option<OnBreach> {
        let is_let_through = breach.is_extra_field && Self::allow_extra_fields(settled);
        (!is_let_through).then(|| Self::on_breach(settled))
    }

    fn on_breach(settled: Option<&Map<String, Value>>) -> OnBreach {
        let is_warning = settled.and_then(|settled| settled.get(ON_BREACH)).is_some_and(|value| value == "warn");
        if is_warning { OnBreach::Warn } else { OnBreach::Refuse }
    }

    /// Whether fields that a schema does not know are let through for this client.
    fn allow_extra_fields(settled: Option<&Map<String, Value>>) -> bool {
        settled.and_then(|settled| settled.get(EXTRA_FIELDS)).is_some_and(|value| *value == json!(true))
    }

    /// What the system calls this client, if it is not called by its name.
    #[must_use]
    pub fn tenant(settled: Option<&Map<String, Value>>) -> Option<&str> {
        settled.and_then(|settled| settled.get(TENANT)).and_then(Value::as_str)
    }
}

fn common() -> [Setting; 3] {
    let words = |en: &str, pt: &str| Words { en: en.to_owned(), pt: pt.to_owned() };
    [
        Setting {
            name: ON_BREACH.to_owned(),
            kind: SettingKind::Choice(vec!["refuse".to_owned(), "warn".to_owned()]),
            default: json!("refuse"),
            description: words(
                "What happens to an event that breaks its schema.",
                "O que acontece com um evento que não segue o seu esquema.",
            ),
        },
        Setting {
            name: EXTRA_FIELDS.to_owned(),
            kind: SettingKind::Flag,
            default: json!(false),
            description: words(
                "Whether fields that a schema does not know are let through.",
                "Se campos que o esquema não conhece são aceitos.",
            ),
        },
        Setting {
            name: TENANT.to_owned(),
            kind: SettingKind::Text,
            default: Value::Null,
            description: words(
                "What the system calls this client; the client's name when not set.",
                "Como o sistema chama este cliente; sem valor, o nome do cliente.",
            ),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_is_not_settled_has_its_default() {
        let settings = Settings::with(Vec::new());

        assert_eq!(json!(settings.in_force(None)), json!({"onBreach": "refuse", "extraFields": false, "tenant": null}));
        let own = settled(&json!({"tenant": "acme", "onBreach": "warn"}));
        assert_eq!(json!(settings.in_force(Some(&own))), json!({"onBreach": "warn", "extraFields": false, "tenant": "acme"}));
        assert_eq!((Settings::on_breach(None), Settings::on_breach(Some(&own))), (OnBreach::Refuse, OnBreach::Warn));
        assert_eq!(Settings::tenant(Some(&own)), Some("acme"));
        assert!(!Settings::allow_extra_fields(Some(&own)));
    }

    #[test]
    fn what_may_not_be_settled_is_named() {
        let settings = Settings::with(Vec::new());
        let wanted = settled(&json!({"tenant": "", "onBreach": "ignore", "extraFields": 1, "nonsense": true}));

        let names: Vec<String> = settings.check(&wanted).unwrap_err().into_iter().map(|(name, _)| name).collect();

        assert_eq!(names, ["tenant", "onBreach", "extraFields", "nonsense"]);
        assert!(SettingKind::TimeZone.check(&json!("America/Sao_Paulo")).is_ok());
        assert!(SettingKind::TimeZone.check(&json!("GMT-3 or so")).is_err());
    }
}
