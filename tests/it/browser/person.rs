//! Somebody at a browser: finds things by the words on them, and waits until what is expected is seen.
//!
//! Whatever a person does is repeated while the page exchanges the part that it is done in. Nothing waits for time to pass:
//! each wait ends with what it is for, or with the test.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{interval, timeout};

use super::chromium::{Chromium, ConsoleEntry, Element};

/// How often the page is looked at while something is waited for.
const LOOK: Duration = Duration::from_millis(40);

/// The longest wait. Far more than it takes: other tests need the machine too.
const PATIENCE: Duration = Duration::from_secs(40);

/// Tab, as `WebDriver` names keys.
const TAB: char = '\u{e004}';
/// Enter.
const ENTER: char = '\u{e007}';

/// No page needs more steps to get anywhere.
const MOST_TABS: usize = 120;

/// How things are found by the words on them.
const BY_WORDS: &str = r"
    const folded = (text) => text.trim().replace(/\s+/g, ' ');
    const nameOf = (element) => folded(element.labels?.[0]?.innerText || element.ariaLabel || element.innerText);
    const withName = (selector, name) =>
      [...document.querySelectorAll(selector)].find((element) => element.checkVisibility() && nameOf(element) === name);
    const pressable = (name) => withName('a, button, summary', name);
    const box = (name) => withName('input[type=checkbox]', name);
    const field = (name) => withName('input:not([type=checkbox]), select, textarea', name);
    const choice = (name, text) => [...field(name).options].find((option) => folded(option.text) === text);";

/// What the keyboard is at: its name, and whether a frame around it is seen, in the window.
const FOCUSED: &str = "
    const element = document.activeElement;
    const style = getComputedStyle(element);
    const place = element.getBoundingClientRect();
    return {
      name: nameOf(element),
      isFramed: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
      isInWindow: place.top >= 0 && place.left >= 0 && place.top < innerHeight && place.left < innerWidth,
    };";

/// How a window looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// A wide window in daylight.
    Light,
    /// A wide window at night.
    Dark,
    /// A phone.
    Phone,
}

/// Somebody at a browser.
pub(crate) struct Person {
    browser: Chromium,
    site: String,
}

impl Person {
    /// Somebody who reads English looks at the site at `address`.
    pub(crate) async fn at(site: impl Into<String>) -> Self {
        Self::reading("en-US", site).await
    }

    /// Somebody who reads `languages`.
    pub(crate) async fn reading(languages: &str, site: impl Into<String>) -> Self {
        let person = Self { browser: Chromium::start(languages).await, site: site.into() };
        person.puts_on(Look::Light).await;
        person
    }

    /// Opens a path of the site.
    pub(crate) async fn goes_to(&self, path: &str) {
        self.browser.open(&format!("{}{path}", self.site)).await;
    }

    pub(crate) async fn signs_in(&self, key: &str) {
        self.goes_to("/dashboard/sign-in").await;
        self.fills("API key", key).await;
        self.presses("Sign in").await;
        self.sees("Sign out").await;
    }

    /// Waits until a text is seen, on one line or over several.
    pub(crate) async fn sees(&self, text: &str) {
        let look = async || self.shown().await.and_then(|shown| shown.contains(text).then_some(()).ok_or(shown));
        self.until(&format!("sees “{text}”"), look).await;
    }

    /// Waits until a text is not seen any more.
    pub(crate) async fn sees_no(&self, text: &str) {
        let look = async || self.shown().await.and_then(|shown| (!shown.contains(text)).then_some(()).ok_or(shown));
        self.until(&format!("sees no “{text}”"), look).await;
    }

    /// The text of the page as it is seen, white space folded.
    pub(crate) async fn shown(&self) -> Result<String, String> {
        let shown = self.browser.script("return document.body.innerText.replace(/\\s+/g, ' ');", &[]).await?;
        Ok(shown.as_str().unwrap_or_default().to_owned())
    }

    /// Presses a button or a link that has this on it.
    pub(crate) async fn presses(&self, name: &str) {
        let look = async || self.browser.click(&self.finds("pressable", &[name]).await?).await;
        self.until(&format!("presses “{name}”"), look).await;
    }

    /// Ticks the box with this label, or takes the tick away.
    pub(crate) async fn ticks(&self, label: &str) {
        let look = async || self.browser.click(&self.finds("box", &[label]).await?).await;
        self.until(&format!("ticks “{label}”"), look).await;
    }

    /// Types into the field with this label, in place of what stands there.
    pub(crate) async fn fills(&self, label: &str, text: &str) {
        let look = async || self.browser.fill(&self.finds("field", &[label]).await?, text).await;
        self.until(&format!("fills “{label}”"), look).await;
    }

    /// Chooses from the list with this label.
    pub(crate) async fn chooses(&self, label: &str, choice: &str) {
        let look = async || self.browser.click(&self.finds("choice", &[label, choice]).await?).await;
        self.until(&format!("chooses “{choice}” in “{label}”"), look).await;
    }

    async fn finds(&self, function: &str, names: &[&str]) -> Result<Element, String> {
        let names: Vec<Value> = names.iter().map(|name| json!(name)).collect();
        self.browser.find(&format!("{BY_WORDS} return {function}(...arguments);"), &names).await
    }

    /// Types where the keyboard is.
    pub(crate) async fn types(&self, text: &str) {
        self.browser.keys(text.chars()).await;
    }

    pub(crate) async fn presses_enter(&self) {
        self.browser.keys([ENTER].into_iter()).await;
    }

    /// Goes on by Tab until the keyboard is at what has this name. Wherever it is meanwhile must be seen.
    pub(crate) async fn tabs_to(&self, name: &str) {
        for _ in 0..MOST_TABS {
            self.browser.keys([TAB].into_iter()).await;
            let focused = self.browser.script(&format!("{BY_WORDS}{FOCUSED}"), &[]).await.unwrap();
            assert!(focused["isFramed"] == true && focused["isInWindow"] == true, "where the keyboard is must be seen: {focused}");
            if focused["name"] == name {
                return;
            }
        }
        panic!("no way by Tab to “{name}” on\n{}", self.shown().await.unwrap());
    }

    /// Evaluates a function's body in the page.
    pub(crate) async fn finds_out(&self, body: &str) -> Value {
        self.browser.script(body, &[]).await.unwrap()
    }

    /// Waits until a function's body says yes in the page.
    pub(crate) async fn awaits(&self, what: &str, body: &str) {
        let look = async || match self.browser.script(body, &[]).await? {
            Value::Bool(true) => Ok(()),
            other => Err(other.to_string()),
        };
        self.until(&format!("sees {what}"), look).await;
    }

    /// Changes the window, or the time of day.
    pub(crate) async fn puts_on(&self, look: Look) {
        let scheme = if look == Look::Dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.browser.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await;
        let (width, height) = if look == Look::Phone { (360, 740) } else { (1280, 900) };
        let window = json!({
            "width": width, "height": height, "screenWidth": width, "screenHeight": height,
            "deviceScaleFactor": 1, "mobile": look == Look::Phone,
        });
        self.browser.devtools("Emulation.setDeviceMetricsOverride", window).await;
    }

    /// Keeps a picture of the whole page as `target/screenshots/<name>.png`.
    pub(crate) async fn takes_a_picture(&self, name: &str) {
        let picture = self.browser.devtools("Page.captureScreenshot", json!({"captureBeyondViewport": true})).await;
        let folder = pictures();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), decoded(picture["data"].as_str().unwrap())).unwrap();
    }

    /// What the browser complained of since it was asked last: errors, warnings, and whatever broke the content policy.
    pub(crate) async fn complaints(&self) -> Vec<ConsoleEntry> {
        // A page that says what is wrong has a status that says so too, and the browser notes it.
        let is_status = |entry: &ConsoleEntry| entry.source == "network" && entry.message.contains("responded with a status of 4");
        let entries = self.browser.console().await.into_iter();
        entries.filter(|entry| matches!(entry.level.as_str(), "WARNING" | "SEVERE") && !is_status(entry)).collect()
    }

    /// Ends the story: nothing in it broke the content policy, and no script failed.
    pub(crate) async fn leaves(self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "{complaints:#?}");
    }

    /// Repeats `look` until it answers.
    async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Result<T, String>) -> T {
        let mut last = String::new();
        let answered = async {
            let mut beat = interval(LOOK);
            loop {
                beat.tick().await;
                match look().await {
                    Ok(answer) => return answer,
                    Err(instead) => last = instead,
                }
            }
        };
        let answer = timeout(PATIENCE, answered).await;
        answer.unwrap_or_else(|_| panic!("nobody {what}; instead:\n{last}"))
    }
}

/// Where pictures are kept: beside what else the tests leave.
fn pictures() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots")
}

fn decoded(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::prelude::BASE64_STANDARD.decode(text).unwrap()
}
