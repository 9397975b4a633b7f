//! Texts that somebody writes who means harm.

/// What breaks lines, ends strings, turns the direction of writing, looks like code, or is very long.
pub(crate) fn texts() -> Vec<String> {
    let short = [
        "a\nERROR forged",
        "a\r\nX-Injected: 1\r\n\r\n",
        "\r",
        "\0",
        "a\0b",
        "\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}",
        "\u{9b}31m",
        "\u{2028}",
        "\u{2029}\u{85}\u{b}\u{c}",
        "\u{202e}txt.exe",
        "\u{feff}\u{200b}",
        "\u{fffd}\u{ffff}\u{10ffff}",
        "e\u{301}\u{1f4be}\u{f0000}",
        "%00%0d%0a%1b",
        "\\u0000\\n\"\'",
        "${jndi:ldap://127.0.0.1/a}",
        "<script>alert(1)</script>",
        "'; drop table event; --",
        "{{7*7}}",
        "{\"level\":\"ERROR\"}",
        "../../../../etc/passwd",
        "..%2f..%2f",
        "\t \t",
        ":id",
    ];
    let long = ["x".repeat(1 << 20), "\u{2028}".repeat(1 << 18), "\"".repeat(1 << 19)];
    short.map(str::to_owned).into_iter().chain(long).collect()
}
