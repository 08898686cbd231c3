"""The course: chapters in MyST, the notebooks made from them, and the site."""
