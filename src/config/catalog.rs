//! `[catalog]`: which systems' events are known, and how some of them are sent.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::check::Check;

/// Which systems' events are known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CatalogConfig {
    /// The catalogues of the program that are known.
    pub built_in: Vec<String>,
    /// A folder with further catalogues; empty for none.
    pub folder: PathBuf,
    /// What becomes of documents that ended in error.
    pub ocr_errors: OcrErrors,
}

/// What becomes of documents that ended in error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OcrErrors {
    /// They are told as finished; their status says how they ended.
    Deliver,
    /// They are kept as events of a type of their own, `document.failed`.
    Keep,
}

impl Default for CatalogConfig {
    fn default() -> Self {
        let built_in = ["ocr", "sienge", "grafeno", "senior-bpm"].map(str::to_owned).to_vec();
        Self { built_in, folder: PathBuf::new(), ocr_errors: OcrErrors::Deliver }
    }
}

impl CatalogConfig {
    /// The folder with further catalogues.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        Some(self.folder.as_path()).filter(|folder| !folder.as_os_str().is_empty())
    }

    pub(super) fn validate(check: &mut Check<'_>) {
        let known = ["ocr", "sienge", "grafeno", "senior-bpm"];
        check.texts("built_in", "a list of ocr, sienge, grafeno and senior-bpm", |text| known.contains(&text));
        check.text("folder", "the path of a folder, or empty", |_| true);
        check.text("ocr_errors", "deliver or keep", |text| matches!(text, "deliver" | "keep"));
    }
}
