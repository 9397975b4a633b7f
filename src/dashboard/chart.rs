//! Charts as SVG: drawn here, coloured by the style sheet, with the exact values of each moment on hover and in a table.
//!
//! Nothing in a chart comes from outside but numbers and times; what it shows is text all the same.

use askama::Template;
use askama::filters::HtmlSafe;

use super::view::Moment;
use super::words::Words;

/// The size of the drawing, in its own units.
const WIDTH: f64 = 1_000.0;
const HEIGHT: f64 = 200.0;

/// How a series is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Bars, one series on top of the other.
    Stacked,
    /// Lines that break where nothing is known.
    Lines,
}

/// The values of one thing over time.
pub(super) struct Series {
    /// What the style sheet calls it.
    pub(super) tone: &'static str,
    pub(super) name: &'static str,
    pub(super) values: Vec<Option<f64>>,
}

/// What a chart is about.
pub(super) struct Subject {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) shape: Shape,
    /// How a value is written.
    pub(super) written: fn(f64) -> String,
}

/// A chart.
#[derive(Template)]
#[template(path = "chart.html")]
pub(super) struct Chart {
    w: &'static Words,
    id: &'static str,
    title: &'static str,
    legend: Vec<(&'static str, &'static str)>,
    top: String,
    middle: String,
    columns: Vec<Column>,
    lines: Vec<Line>,
}

impl HtmlSafe for Chart {}

/// One moment of a chart.
struct Column {
    time: Moment,
    x: f64,
    width: f64,
    bars: Vec<Bar>,
    /// The exact values, as the legend names them.
    values: Vec<(&'static str, String)>,
}

struct Bar {
    tone: &'static str,
    y: f64,
    height: f64,
}

struct Line {
    tone: &'static str,
    /// Whether it is a single point, which is drawn as a dot.
    is_point: bool,
    points: String,
}

impl Chart {
    /// Draws `series` over `times`; each has a value for each time, or none.
    pub(super) fn of(w: &'static Words, subject: &Subject, times: Vec<Moment>, series: &[Series]) -> Self {
        let top = round_up(highest(subject.shape, series, times.len()));
        let width = WIDTH / to_number(times.len().max(1));
        let column = |(index, time)| Column {
            time,
            x: finely_rounded(to_number(index) * width),
            width: finely_rounded(width),
            bars: if subject.shape == Shape::Stacked { bars(series, index, top) } else { Vec::new() },
            values: series.iter().map(|one| (one.name, value(one, index).map_or_else(|| "–".to_owned(), subject.written))).collect(),
        };
        let columns = times.into_iter().enumerate().map(column).collect();
        let lines = if subject.shape == Shape::Lines { series.iter().flat_map(|one| lines(one, width, top)).collect() } else { Vec::new() };
        Self {
            w,
            id: subject.id,
            title: subject.title,
            legend: series.iter().map(|one| (one.tone, one.name)).collect(),
            top: (subject.written)(top),
            middle: (subject.written)(top / 2.0),
            columns,
            lines,
        }
    }
}

fn value(series: &Series, index: usize) -> Option<f64> {
    series.values.get(index).copied().flatten()
}

/// The highest point of the drawing.
fn highest(shape: Shape, series: &[Series], times: usize) -> f64 {
    let at = |index| {
        let values = series.iter().filter_map(move |one| value(one, index));
        if shape == Shape::Stacked { values.sum() } else { values.fold(0.0, f64::max) }
    };
    (0..times).map(at).fold(0.0, f64::max)
}

/// The next number with one digit of 1, 2 or 4 whose half is whole too.
fn round_up(value: f64) -> f64 {
    let mut power = 1.0;
    while power * 10.0 < value {
        power *= 10.0;
    }
    [2.0, 4.0, 10.0].map(|digit| digit * power).into_iter().find(|round| *round >= value).unwrap_or(power)
}

fn bars(series: &[Series], index: usize, top: f64) -> Vec<Bar> {
    let mut below = 0.0;
    let mut bars = Vec::new();
    for one in series {
        let height = value(one, index).unwrap_or_default() / top * HEIGHT;
        below += height;
        if height > 0.0 {
            bars.push(Bar { tone: one.tone, y: rounded(HEIGHT - below), height: rounded(height) });
        }
    }
    bars
}

/// The unbroken parts of a series.
fn lines(series: &Series, width: f64, top: f64) -> Vec<Line> {
    let mut lines = Vec::new();
    for run in series.values.iter().enumerate().collect::<Vec<_>>().split(|(_, value)| value.is_none()).filter(|run| !run.is_empty()) {
        let point = |(index, value): &(usize, &Option<f64>)| {
            let x = (to_number(*index) + 0.5) * width;
            format!("{},{}", rounded(x), rounded(HEIGHT - value.unwrap_or_default() / top * HEIGHT))
        };
        let mut points: Vec<String> = run.iter().map(point).collect();
        let is_point = run.len() == 1;
        if is_point {
            // A line needs two ends to be drawn.
            points.extend_from_within(..);
        }
        lines.push(Line { tone: series.tone, is_point, points: points.join(" ") });
    }
    lines
}

/// To a tenth: no screen shows more.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// To a hundredth: what stands side by side must touch.
fn finely_rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[expect(clippy::cast_precision_loss, reason = "places on a screen need no more digits than a double has")]
const fn to_number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use chrono::Offset as _;

    use super::super::words::ENGLISH;
    use super::*;
    use crate::domain::time::Timestamp;

    fn chart(shape: Shape, series: &[Series]) -> Chart {
        let subject = Subject { id: "c", title: "Counts", shape, written: |value| format!("{value} x") };
        let times = (0..4).map(|minute| Moment::of(Timestamp::from_micros(minute * 60_000_000), chrono::Utc.fix())).collect();
        Chart::of(&ENGLISH, &subject, times, series)
    }

    #[test]
    fn bars_stand_on_one_another_and_fill_the_height_together() {
        let series = [
            Series { tone: "good", name: "delivered", values: vec![Some(3.0), None, Some(0.0), Some(6.0)] },
            Series { tone: "bad", name: "failed", values: vec![Some(1.0), None, Some(2.0), Some(4.0)] },
        ];

        let chart = chart(Shape::Stacked, &series);

        let bars = |column: &Column| column.bars.iter().map(|bar| (bar.tone, bar.y, bar.height)).collect::<Vec<_>>();
        assert_eq!((chart.top.as_str(), chart.middle.as_str()), ("10 x", "5 x"));
        assert_eq!(bars(&chart.columns[0]), [("good", 140.0, 60.0), ("bad", 120.0, 20.0)]);
        assert_eq!((bars(&chart.columns[1]), bars(&chart.columns[2])), (vec![], vec![("bad", 160.0, 40.0)]));
        assert_eq!(chart.columns[3].values, [("delivered", "6 x".to_owned()), ("failed", "4 x".to_owned())]);
        assert_eq!((chart.columns[3].x, chart.columns[3].width), (750.0, 250.0));
    }

    #[test]
    fn lines_break_where_nothing_is_known() {
        let series = [Series { tone: "p50", name: "p50", values: vec![Some(10.0), Some(20.0), None, Some(5.0)] }];

        let chart = chart(Shape::Lines, &series);

        let points: Vec<&str> = chart.lines.iter().map(|line| line.points.as_str()).collect();
        assert_eq!(points, ["125,100 375,0", "875,150 875,150"]);
        assert_eq!(chart.columns[2].values, [("p50", "–".to_owned())]);
    }

    #[test]
    fn the_scale_ends_at_a_round_number_with_a_whole_half() {
        for (value, round) in
            [(0.0, 2.0), (1.0, 2.0), (2.1, 4.0), (4.1, 10.0), (10.0, 10.0), (11.0, 20.0), (30.0, 40.0), (123_456.0, 200_000.0)]
        {
            assert!((round_up(value) - round).abs() < f64::EPSILON, "{value}");
        }
    }

    #[test]
    fn nothing_at_all_is_drawn_as_such() {
        let subject = Subject { id: "c", title: "Counts", shape: Shape::Lines, written: |value| value.to_string() };

        let chart = Chart::of(&ENGLISH, &subject, Vec::new(), &[]);

        assert_eq!((chart.columns.len(), chart.lines.len(), chart.top.as_str()), (0, 0, "2"));
    }
}
