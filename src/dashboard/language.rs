//! In which language a page is written: the one that somebody chose, or else the one that their browser asks for.

use axum::http::{HeaderMap, header};

use super::cookies;
use super::words::{ENGLISH, PORTUGUESE, Words};

/// Under which name the choice is kept.
pub(super) const COOKIE: &str = "whd_language";

/// A language that pages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Portuguese,
}

impl Language {
    const ALL: [Self; 2] = [Self::English, Self::Portuguese];

    /// The language for whoever sends these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let chosen = cookies::value(headers, COOKIE).and_then(Self::parse);
        let asked = || headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).and_then(best);
        chosen.or_else(asked).unwrap_or(Self::English)
    }

    /// The language that [`Self::code`] names.
    pub(super) fn parse(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code)
    }

    /// Its name for browsers.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Portuguese => "pt-BR",
        }
    }

    /// Its name for its speakers.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Portuguese => "Português",
        }
    }

    /// What a switch switches to.
    pub(super) const fn other(self) -> Self {
        match self {
            Self::English => Self::Portuguese,
            Self::Portuguese => Self::English,
        }
    }

    /// The words of its pages.
    pub(super) const fn words(self) -> &'static Words {
        match self {
            Self::English => &ENGLISH,
            Self::Portuguese => &PORTUGUESE,
        }
    }
}

/// The language of ours that a list of preferences names with the greatest weight, the first of equals.
fn best(preferences: &str) -> Option<Language> {
    let mut best = None;
    for preference in preferences.split(',').take(32) {
        let (tag, parameters) = preference.split_once(';').unwrap_or((preference, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |text| text.trim().parse::<f32>().ok());
        let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
        let language = match primary.as_str() {
            "en" => Language::English,
            "pt" => Language::Portuguese,
            _ => continue,
        };
        if let Some(weight) = weight.filter(|weight| *weight > 0.0)
            && best.is_none_or(|(_, heaviest)| weight > heaviest)
        {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heaviest_language_that_we_speak_is_taken() {
        for (asked, expected) in [
            ("pt-BR,pt;q=0.9,en;q=0.8", Some(Language::Portuguese)),
            ("en-US,en;q=0.9", Some(Language::English)),
            ("de, fr;q=0.8, pt;q=0.1", Some(Language::Portuguese)),
            ("en;q=0.2, PT-pt; q=0.3", Some(Language::Portuguese)),
            ("pt;q=0, en;q=0.1", Some(Language::English)),
            ("pt;q=x, *", None),
            ("de", None),
            ("", None),
        ] {
            assert_eq!(best(asked), expected, "{asked}");
        }
    }

    #[test]
    fn a_choice_outweighs_the_browser() {
        let headers = |cookie: &'static str| {
            let pairs = [(header::ACCEPT_LANGUAGE, "pt-BR"), (header::COOKIE, cookie)];
            pairs.map(|(name, value)| (name, value.parse().unwrap())).into_iter().collect::<HeaderMap>()
        };

        assert_eq!(Language::of(&headers("a=b; whd_language=en")), Language::English);
        assert_eq!(Language::of(&headers("whd_language=klingon")), Language::Portuguese);
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }
}
