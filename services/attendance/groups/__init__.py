"""The groups of a program: plan and timetable, who has a seat in them, who waits, who is a guest of one session."""
