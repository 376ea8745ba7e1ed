-- The windows of the rules, in days before today: their parameter window_days, with those of teams and environments.
SELECT CAST($today AS DATE) AS today, unnest(CAST($windows AS INTEGER[])) AS window_days
