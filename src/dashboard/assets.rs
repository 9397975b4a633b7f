//! Styles and scripts, inside the program: no build step and no other site. Browsers keep them as long as they are the same.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::error::PageError;
use super::state::Dashboard;

struct Asset {
    name: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
    tag: String,
}

static ASSETS: LazyLock<[Asset; 5]> = LazyLock::new(|| {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    [
        Asset::new("dashboard.css", "text/css; charset=utf-8", include_bytes!("assets/dashboard.css")),
        Asset::new("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
        Asset::new("live.js", SCRIPT, include_bytes!("assets/live.js")),
        Asset::new("forms.js", SCRIPT, include_bytes!("assets/forms.js")),
        Asset::new("charts.js", SCRIPT, include_bytes!("assets/charts.js")),
    ]
});

impl Asset {
    fn new(name: &'static str, media_type: &'static str, bytes: &'static [u8]) -> Self {
        let tag = format!("\"{}\"", BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(bytes)[..12]));
        Self { name, media_type, bytes, tag }
    }
}

pub(super) fn routes() -> Router<Dashboard> {
    Router::new().route("/assets/{name}", get(show))
}

async fn show(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, PageError> {
    let asset = ASSETS.iter().find(|asset| asset.name == name).ok_or(PageError::NotFound)?;
    let same = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == asset.tag.as_bytes());
    // Asked for every time, answered whole only when it changed.
    let kept = [(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))];
    let tag = HeaderValue::from_str(&asset.tag).map_err(|_| PageError::Panicked)?;
    if same {
        return Ok((StatusCode::NOT_MODIFIED, kept, [(header::ETAG, tag)]).into_response());
    }
    let media_type = HeaderValue::from_static(asset.media_type);
    Ok((kept, [(header::ETAG, tag), (header::CONTENT_TYPE, media_type)], asset.bytes).into_response())
}
