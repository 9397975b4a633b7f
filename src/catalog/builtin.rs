//! The catalogues that are part of the program.

/// The name of the OCR document service's catalogue.
pub const OCR: &str = "ocr";

/// Name and text of each.
pub(super) const FILES: [(&str, &str); 4] = [
    (OCR, include_str!("../../config/catalogs/ocr.toml")),
    ("sienge", include_str!("../../config/catalogs/sienge.toml")),
    ("grafeno", include_str!("../../config/catalogs/grafeno.toml")),
    ("senior-bpm", include_str!("../../config/catalogs/senior-bpm.toml")),
];

/// The names of the catalogues that are part of the program.
pub const NAMES: [&str; 4] = [FILES[0].0, FILES[1].0, FILES[2].0, FILES[3].0];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn all_of_them_are_known_unless_the_configuration_says_otherwise() {
        assert_eq!(Config::default().catalog.built_in, NAMES);
    }
}
