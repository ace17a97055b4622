//! What the quickstart shows: numbered acts, and who says what in them. Plain in a pipe.

use super::paragraph::Paragraph;
use crate::terminal::{self, Style, tame};
use indicatif::{ProgressBar, ProgressStyle};
use std::cell::{Cell, RefCell};
use std::io::IsTerminal;
use std::time::Duration;

/// Columns before what is said.
const INDENT: usize = 10;
/// Columns before everything else.
const MARGIN: &str = "   ";

pub struct Stage {
    style: Style,
    acts: Cell<usize>,
    /// Turns while nothing is said, on a terminal.
    spinner: RefCell<Option<ProgressBar>>,
    /// What is being said now.
    paragraph: RefCell<Option<Paragraph>>,
}

impl Stage {
    pub fn new(style: Style) -> Self {
        Self { style, acts: Cell::new(0), spinner: RefCell::default(), paragraph: RefCell::default() }
    }

    pub fn title(&self, text: &str) {
        terminal::say(self.style.bold(text));
    }

    /// A new act.
    pub fn act(&self, title: &str) {
        self.hush();
        self.acts.set(self.acts.get() + 1);
        terminal::say(format_args!("\n{}  {}", self.style.cyan(&self.acts.get().to_string()), self.style.bold(title)));
    }

    /// A line of our own.
    pub fn line(&self, text: &str) {
        self.hush();
        terminal::say(format!("{MARGIN}{}", tame(text)).trim_end());
    }

    pub fn aside(&self, text: &str) {
        self.hush();
        terminal::say(format_args!("{}{}", " ".repeat(INDENT), self.style.dim(&tame(text))));
    }

    pub fn good(&self, text: &str) {
        self.hush();
        terminal::say(format_args!("{MARGIN}{} {}", self.style.green("✓"), tame(text)));
    }

    pub fn bad(&self, text: &str) {
        self.hush();
        terminal::say(format_args!("{MARGIN}{} {}", self.style.red("✗"), tame(text)));
    }

    /// Somebody says something whole.
    pub fn says(&self, who: &str, text: &str) {
        self.speaks(who);
        self.piece(text);
        self.hush();
    }

    /// Somebody begins to speak; [`Self::piece`] goes on.
    pub fn speaks(&self, who: &str) {
        self.hush();
        let name = self.style.cyan(&format!("{who:6}"));
        terminal::type_out(&format!("{MARGIN}{name} "));
        *self.paragraph.borrow_mut() = Some(Paragraph::new(INDENT));
    }

    pub fn piece(&self, text: &str) {
        if let Some(paragraph) = &mut *self.paragraph.borrow_mut() {
            terminal::type_out(&paragraph.push(&tame(text)));
        }
    }

    /// Shows that something is under way until the next word.
    pub fn wait(&self, what: &str) {
        self.hush();
        if !std::io::stderr().is_terminal() {
            return;
        }
        let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
        if let Ok(style) = ProgressStyle::with_template("   {spinner:.cyan} {msg:.dim}") {
            spinner.set_style(style);
        }
        spinner.enable_steady_tick(Duration::from_millis(120));
        *self.spinner.borrow_mut() = Some(spinner);
    }

    /// Ends whatever stands on the current line.
    pub fn hush(&self) {
        if let Some(spinner) = self.spinner.borrow_mut().take() {
            spinner.finish_and_clear();
        }
        if let Some(paragraph) = self.paragraph.borrow_mut().take() {
            terminal::type_out(&format!("{}\n", paragraph.end()));
        }
    }
}
