//! The HTTP methods that a webhook, or the login before it, may use.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// How a url is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `GET`.
    Get,
    /// `DELETE`.
    Delete,
}

impl Method {
    /// Every method that may be configured.
    pub const ALL: [Self; 4] = [Self::Post, Self::Put, Self::Get, Self::Delete];

    /// Upper-case text, as requests, answers and stores carry it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Get => "GET",
            Self::Delete => "DELETE",
        }
    }

    /// Whether a request of this method has a body: `GET` and `DELETE` have none.
    #[must_use]
    pub const fn carries_body(self) -> bool {
        matches!(self, Self::Post | Self::Put)
    }
}

/// The text names no method that may be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be POST, PUT, GET or DELETE")]
pub struct UnknownMethod;

impl FromStr for Method {
    type Err = UnknownMethod;

    /// Reads a method in any letter case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|method| method.as_str().eq_ignore_ascii_case(text)).ok_or(UnknownMethod)
    }
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Get => Self::GET,
            Method::Delete => Self::DELETE,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Method {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_read_in_any_letter_case() {
        assert_eq!("post".parse(), Ok(Method::Post));
        assert_eq!("Put".parse(), Ok(Method::Put));
        assert_eq!("gEt".parse(), Ok(Method::Get));
        assert_eq!("DELETE".parse(), Ok(Method::Delete));
    }

    #[test]
    fn other_methods_and_stray_spaces_are_refused() {
        for text in ["", "PATCH", "HEAD", " POST", "POST\n", "POSTS"] {
            assert_eq!(text.parse::<Method>(), Err(UnknownMethod), "{text:?}");
        }
    }

    #[test]
    fn a_method_is_written_in_upper_case_everywhere() {
        for method in Method::ALL {
            assert_eq!(method.as_str().parse(), Ok(method));
            assert_eq!(method.to_string(), method.as_str());
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
            assert_eq!(http::Method::from(method).as_str(), method.as_str());
        }
    }

    #[test]
    fn only_post_and_put_carry_a_body() {
        let carrying: Vec<_> = Method::ALL.into_iter().filter(|method| method.carries_body()).collect();

        assert_eq!(carrying, [Method::Post, Method::Put]);
    }
}
