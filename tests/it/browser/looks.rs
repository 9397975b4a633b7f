//! Every page as it looks by day, by night and on a phone: legible, nothing cut off, and a picture of each.

use serde_json::json;

use super::person::{Look, Person};
use super::site::Site;
use crate::support::process::ROOT_KEY;
use crate::support::receiver::Reply;

/// Texts whose contrast with what is behind them is less than WCAG AA wants of small text.
const FAINT: &str = r"
    const channels = (color) => {
      const parts = color.match(/[\d.]+/g).map(Number);
      return [parts[0], parts[1], parts[2], parts[3] ?? 1];
    };
    const over = (top, below) => [0, 1, 2].map((at) => top[at] * top[3] + below[at] * (1 - top[3]));
    const backdrop = (element) => {
      if (!element) return [255, 255, 255];
      const own = channels(getComputedStyle(element).backgroundColor);
      return own[3] === 1 ? own.slice(0, 3) : over(own, backdrop(element.parentElement));
    };
    const luminance = (color) => {
      const linear = color.map((value) => value / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
      return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const faint = [];
    let looked = 0;
    const look = (element, color, text) => {
      looked += 1;
      const below = backdrop(element);
      const value = contrast(luminance(over(channels(color), below)), luminance(below));
      if (value < 4.5) faint.push(`${value.toFixed(2)} ${element.tagName}.${element.className} “${text.trim().slice(0, 40)}”`);
    };
    for (const element of document.querySelectorAll('body, body *')) {
      if (element.closest('svg') || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
      const style = getComputedStyle(element);
      const text = [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join('');
      if (text.trim() !== '') look(element, style.color, text);
      if (element.matches('input, textarea')) look(element, style.color, element.value || 'typed');
      if (element.placeholder) look(element, getComputedStyle(element, '::placeholder').color, element.placeholder);
      const label = getComputedStyle(element, '::before');
      if (!['none', 'normal', '', '\x22\x22'].includes(label.content)) look(element, label.color, label.content);
    }
    return { looked, faint };";

/// What reaches out of the window to the side, and does not scroll for itself.
const SPILLED: &str = r"
    const scrolls = (element) => element && (getComputedStyle(element).overflowX !== 'visible' || scrolls(element.parentElement));
    const spilled = [...document.querySelectorAll('body *')].filter((element) => {
      const place = element.getBoundingClientRect();
      return element.checkVisibility() && place.width > 0 && place.right > innerWidth + 0.5 && !scrolls(element.parentElement);
    });
    const told = spilled.map((element) => `${element.tagName}.${element.className} “${element.textContent.trim().slice(0, 40)}”`);
    const width = document.documentElement.scrollWidth;
    return width > screen.width ? [`${width} wide`, ...told] : told;";

/// Words that stand on many lines because there is no room beside them.
const CRUSHED: &str = r"
    const own = (element) => [...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data).join('');
    const crushed = [...document.querySelectorAll('body *:not(option, svg *)')].filter((element) => {
      const words = own(element).trim();
      const place = element.getBoundingClientRect();
      return words.length > 6 && element.checkVisibility() && place.width < 40 && place.height > 60;
    });
    return crushed.map((element) => `${element.tagName}.${element.className} “${own(element).trim().slice(0, 40)}”`);";

/// In which ways a page is looked at, and how its pictures end.
const WAYS: [(Look, &str); 3] = [(Look::Light, "light"), (Look::Dark, "dark"), (Look::Phone, "phone")];

/// A page with a name for its pictures.
type Shown = (&'static str, String);

/// A site on which everything has happened, and the pages that show it.
async fn after_a_day_at_work() -> (Site, Vec<Shown>) {
    let site = Site::open(&["retry.delays_seconds=3600"]).await;
    let archive = json!({
        "type": 0, "headers": {"X-Api-Key": "hush", "Accept": "application/json"}, "timeoutMs": 2500,
        "authorizationUrl": site.receiver.url("/login"), "authorizationBody": {"user": "a", "password": "b"},
    });
    let archive = site.add_webhook("archive", archive).await;
    let ledger = json!({"events": ["document.finished"], "retry": {"delaysSeconds": []}, "rateLimit": {"requests": 100, "perSeconds": 1}});
    let ledger = site.add_webhook("the ledger of a department with a name that is rather long", ledger).await;
    site.posts(&format!("/v1/webhooks/{archive}/rotate-secret"), json!({})).await;
    let explained = br#"{"error": "the archive is being moved", "retry": "later", "trace": "4bf92f3577b34da6a3ce929d0e0e4736"}"#;
    site.breaks("lost", Reply::Full(503, "content-type: application/json\r\n", explained.to_vec()));
    let mut deliveries = Vec::new();
    for document in [
        "invoice-4710",
        "lost-invoice-4711",
        "bc1bc4ea-0000-4000-8000-000000000001",
        "lost-and-named-without-a-single-space-".repeat(5).as_str(),
    ] {
        deliveries.push(site.hands_in(document).await);
    }
    site.until_given_up(2).await;
    site.receiver.until_seen(9).await;
    site.posts("/v1/dead-letters/redeliver", json!({"webhookId": ledger, "perSecond": 1})).await;
    let pages = vec![
        ("overview", "/dashboard".to_owned()),
        ("deliveries", "/dashboard/deliveries?state=pending&q=".to_owned()),
        ("delivery-that-waits", format!("/dashboard/deliveries/{}", deliveries[1][0])),
        ("delivery-given-up", format!("/dashboard/deliveries/{}", deliveries[3][1])),
        ("delivery-done", format!("/dashboard/deliveries/{}", deliveries[0][0])),
        ("dead-letters", format!("/dashboard/dead-letters?webhook={ledger}&reason=exhausted")),
        ("webhooks", "/dashboard/webhooks".to_owned()),
        ("webhook", format!("/dashboard/webhooks/{archive}")),
        ("webhook-form", format!("/dashboard/webhooks/{archive}/edit")),
        ("new-webhook", "/dashboard/webhooks/new".to_owned()),
        ("recover", format!("/dashboard/webhooks/{archive}/recover")),
        ("keys", "/dashboard/keys".to_owned()),
        ("audit", "/dashboard/audit".to_owned()),
        ("nowhere", "/dashboard/nowhere".to_owned()),
    ];
    (site, pages)
}

/// Looks at a page in these ways, and tells what is wrong with it.
async fn look_at(visitor: &Person, (name, path): &Shown, ways: &[(Look, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    for (look, suffix) in ways {
        visitor.puts_on(*look).await;
        visitor.goes_to(path).await;
        wrong.extend(look_closely(visitor, &format!("{name}-{suffix}")).await);
    }
    wrong
}

/// Looks at what a button leads to in every way, and tells what is wrong with it.
async fn look_behind(visitor: &Person, button: &str, (name, path): &Shown) -> Vec<String> {
    let mut wrong = Vec::new();
    visitor.goes_to(path).await;
    visitor.presses(button).await;
    for (look, suffix) in WAYS {
        visitor.puts_on(look).await;
        wrong.extend(look_closely(visitor, &format!("{name}-{suffix}")).await);
    }
    wrong
}

/// Takes a picture, opens what is folded, and tells what is wrong.
async fn look_closely(visitor: &Person, name: &str) -> Vec<String> {
    visitor.takes_a_picture(name).await;
    visitor.finds_out("for (const details of document.querySelectorAll('details')) details.open = true;").await;
    let texts = visitor.finds_out(FAINT).await;
    let (spilled, crushed) = (visitor.finds_out(SPILLED).await, visitor.finds_out(CRUSHED).await);
    assert!(texts["looked"].as_u64() >= Some(3), "{name}: {texts}");
    let found = [("faint", &texts["faint"]), ("spilled", &spilled), ("crushed", &crushed)].into_iter();
    let found = found.filter(|(_, found)| **found != json!([])).map(|(what, found)| format!("{name} {what} {found:#}"));
    found.chain(visitor.complaints().await.iter().map(|complaint| format!("{name} {complaint:?}"))).collect()
}

#[tokio::test]
#[ignore = "needs chromium and chromedriver, which tests/run installs"]
async fn every_page_is_legible_by_day_by_night_on_a_phone_and_in_longer_words() {
    let (site, pages) = after_a_day_at_work().await;
    let root = Person::at(site.address()).await;
    let mut wrong = look_at(&root, &("sign-in", "/dashboard/sign-in".to_owned()), &WAYS).await;
    root.puts_on(Look::Light).await;
    root.signs_in(ROOT_KEY).await;

    for page in &pages {
        wrong.extend(look_at(&root, page, &WAYS).await);
    }
    let webhook = pages.iter().find(|(name, _)| *name == "webhook").unwrap().1.clone();
    wrong.extend(look_behind(&root, "Test", &("test", webhook)).await);
    wrong.extend(look_behind(&root, "New API key", &("new-key", "/dashboard/keys".to_owned())).await);
    root.goes_to("/dashboard").await;
    root.presses("Português").await;
    for page in &pages {
        wrong.extend(look_at(&root, page, &[(Look::Phone, "phone-pt")]).await);
    }

    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
