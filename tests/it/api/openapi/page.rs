//! `/docs`: the page is whole, comes from here alone, and lets no script run but its own.

use crate::support::rest::Rest;

#[tokio::test]
async fn the_page_comes_with_all_it_needs_and_a_policy_that_allows_nothing_else() {
    let rest = Rest::new().await;
    let mut page = Vec::new();

    for (path, media_type) in [("/docs", "text/html"), ("/docs/docs.css", "text/css"), ("/docs/docs.js", "text/javascript")] {
        let answer = rest.get(path).without("X-API-KEY").send().await;
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, format!("{media_type}; charset=utf-8").as_str()));
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        page.push(answer.text);
    }

    let [html, css, js] = &page[..] else { panic!() };
    for reference in html.split('"').filter(|text| text.starts_with("docs/") || *text == "openapi.json") {
        let answer = rest.get(&format!("/{reference}")).without("X-API-KEY").send().await;
        assert_eq!(answer.status.as_u16(), 200, "{reference}");
    }
    assert!(html.contains("<script src=\"docs/docs.js\" defer></script>") && html.matches("<script").count() == 1);
    for text in [html, css, js] {
        assert!(!text.contains("//cdn") && !text.contains("http://") && !text.contains("https://"), "something comes from elsewhere");
        for unsafe_part in [" onclick=", " style=", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!text.contains(unsafe_part), "{unsafe_part}");
        }
    }
}
