//! The package as it lies on disk. The only module of these tests that reads files.

use std::fs;
use std::path::{Path, PathBuf};

use crate::tidy::modules;
use crate::tidy::source::SourceFile;

/// Every Rust file of the package.
pub(crate) struct Tree {
    /// In the order of their paths.
    pub(crate) files: Vec<SourceFile>,
    /// The files that Cargo compiles by name.
    pub(crate) roots: Vec<String>,
}

impl Tree {
    /// Reads `src`, `tests` and `benches`.
    pub(crate) fn load() -> Self {
        let mut paths: Vec<PathBuf> = ["src", "tests", "benches"].iter().flat_map(|folder| rust_files(&package().join(folder))).collect();
        paths.sort();
        let mut files: Vec<SourceFile> =
            paths.iter().map(|path| SourceFile::parse(&relative(path), &fs::read_to_string(path).unwrap())).collect();
        assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the rules must see the code they judge");

        let roots = modules::roots(&read("Cargo.toml").unwrap());
        let reached = modules::reach(&files, &roots);
        files.iter_mut().filter(|file| reached.get(&file.path).is_some_and(|only_tests| *only_tests)).for_each(SourceFile::mark_as_test);
        Self { files, roots }
    }

    /// The files below `src`.
    pub(crate) fn src(&self) -> Vec<&SourceFile> {
        self.files.iter().filter(|file| file.path.starts_with("src/")).collect()
    }

    /// Every file.
    pub(crate) fn all(&self) -> Vec<&SourceFile> {
        self.files.iter().collect()
    }
}

/// The text of a file of the package, if there is such a file.
pub(crate) fn read(path: &str) -> Option<String> {
    fs::read_to_string(package().join(path)).ok()
}

/// The names of the files in a folder of the package, if there is such a folder.
pub(crate) fn names_in(folder: &str) -> Option<Vec<String>> {
    let entries = fs::read_dir(package().join(folder)).ok()?;
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    Some(names)
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| match path.is_dir() {
            true => rust_files(&path),
            false if path.extension().is_some_and(|extension| extension == "rs") => vec![path],
            false => Vec::new(),
        })
        .collect()
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn relative(path: &Path) -> String {
    path.strip_prefix(package()).unwrap().to_str().unwrap().replace('\\', "/")
}
