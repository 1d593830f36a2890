;; A scorer of a contract that is not written yet.
(component
  (instance $scorer)
  (export "xhost:plugin/scorer@0.9.0" (instance $scorer)))
