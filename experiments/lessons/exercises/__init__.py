"""Exercises for a course: ten backward passes to write, and what grades them.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     paths = write(folder)
...     grades = grade(folder, only=["relu"])
>>> len(paths), grades[0].name, grades[0].status
(11, 'relu', 'not written yet')
"""

from experiments.lessons.exercises.contents import EXERCISES
from experiments.lessons.exercises.grading import Grade, grade
from experiments.lessons.exercises.handout import write
from experiments.lessons.exercises.printing import print_exercises, print_grades

__all__ = ["EXERCISES", "Grade", "grade", "print_exercises", "print_grades", "write"]
