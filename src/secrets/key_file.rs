//! The file of a key that the dispatcher made for itself, beside an embedded database: one key a line, the newest first.
//!
//! For its owner alone to read. It is never replaced, for what was encrypted under a lost key is lost too.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use super::key::{SecretKey, WeakKey, new_key_text};

/// What the bits of a mode say of others than the owner.
const OTHERS: u32 = 0o077;

/// A file of keys that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// It cannot be read or made.
    #[error("the key file {} cannot be read or made", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        source: io::Error,
    },
    /// It holds a line that is no key, or none at all.
    #[error("the key file {} holds no usable key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Why a line is no key.
        #[source]
        source: Option<WeakKey>,
    },
}

/// The key file of `database`.
#[must_use]
pub fn beside(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(".key");
    path.into()
}

/// The keys of the file at `path`, the newest first; `None` if there is no such file.
///
/// # Errors
/// When it cannot be read, or when a line is no key.
pub fn read(path: &Path) -> Result<Option<Vec<SecretKey>>, KeyFileError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(KeyFileError::Unusable { path: path.to_owned(), source }),
    };
    warn_if_others_may_read(path);
    let no_key = |source| KeyFileError::NoKey { path: path.to_owned(), source };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let keys: Vec<SecretKey> = lines.map(|line| SecretKey::from_text(line).map_err(|weak| no_key(Some(weak)))).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(no_key(None)) } else { Ok(Some(keys)) }
}

/// Makes the file at `path` with one key made of `chance`, unless there is one by now; answers the keys that it then holds.
///
/// # Errors
/// As for [`read`], and when the file cannot be made.
pub fn make(path: &Path, chance: &[u8; 32]) -> Result<Vec<SecretKey>, KeyFileError> {
    let unusable = |source| KeyFileError::Unusable { path: path.to_owned(), source };
    write_new(path, &new_key_text(chance)).map_err(unusable)?;
    read(path)?.ok_or_else(|| unusable(io::ErrorKind::NotFound.into()))
}

/// The file appears whole and on the disk, or not at all: under its own name it is only ever linked.
fn write_new(path: &Path, key: &str) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(format!("{key}\n").as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(folder)?.sync_all()
}

fn warn_if_others_may_read(path: &Path) {
    if fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS != 0) {
        tracing::warn!(file = %path.display(), "others than its owner may read the key file: set its mode to 0600");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANCE: [u8; 32] = *b"a chance of thirty-two bytes or.";

    #[test]
    fn a_made_file_is_for_its_owner_alone_and_gives_its_key_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = beside(&folder.path().join("made/dispatcher.db"));

        assert!(read(&path).unwrap().is_none());
        let made = make(&path, &CHANCE).unwrap();

        assert!(path.ends_with("made/dispatcher.db.key"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().unwrap()[0].id(), made[0].id());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_there_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.key");
        let first = make(&path, &CHANCE).unwrap();

        let second = make(&path, &[7; 32].map(|byte: u8| byte + 1)).unwrap();

        assert_eq!(first[0].id(), second[0].id());
    }

    #[test]
    fn lines_are_keys_the_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.key");
        let (new, old) = ("np3sX9vLq0WmT7dRb2KyHc8NfGj4AeUo", "op3sX9vLq0WmT7dRb2KyHc8NfGj4AeUo");
        fs::write(&path, format!("{new}\r\n\n {old}")).unwrap();

        let ids: Vec<_> = read(&path).unwrap().unwrap().iter().map(SecretKey::id).collect();

        assert_eq!(ids, [new, old].map(|text| SecretKey::from_text(text).unwrap().id()));
    }

    #[test]
    fn a_file_without_a_key_and_one_with_a_weak_one_are_refused_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.key");
        for text in ["", "\n\n", "hush-hush\n"] {
            fs::write(&path, text).unwrap();

            let refused = read(&path).unwrap_err();

            assert!(matches!(refused, KeyFileError::NoKey { .. }), "{text:?}");
            assert!(!format!("{refused} {refused:?}").contains("hush"));
        }
    }
}
