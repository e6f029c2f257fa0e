-- A schema as hostile as MySQL 8.4 and 9 allow; for the client: DELIMITER ;;
-- Statements end with two semicolons at the end of a line. Everything is in the current schema.
-- What cannot be carried stands at the end, below "not movable".

SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_UNSIGNED_SUBTRACTION', foreign_key_checks = 0, time_zone = '+00:00';;
CREATE TABLE seq (n INT PRIMARY KEY);;
INSERT INTO seq WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 60) SELECT n FROM s;;

-- tables: every type ------------------------------------------------------------------------------------
CREATE TABLE every_type (
  id INT NOT NULL PRIMARY KEY, t1 TINYINT, t2 TINYINT UNSIGNED ZEROFILL, s1 SMALLINT, m1 MEDIUMINT UNSIGNED, i1 INT ZEROFILL, b1 BIGINT,
  b2 BIGINT UNSIGNED, d1 DECIMAL(65,30), d2 DECIMAL(5,0) UNSIGNED, f1 FLOAT, f2 FLOAT(7,3), f3 DOUBLE, f4 DOUBLE(20,4) UNSIGNED, bit1 BIT(1),
  bit64 BIT(64), yes BOOLEAN, c1 CHAR(5), c2 CHAR(0), v1 VARCHAR(300), bi BINARY(4), vb VARBINARY(40), tt TINYTEXT, tx TEXT, mt MEDIUMTEXT,
  lt LONGTEXT, tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB, e1 ENUM('a','b''c','d,e','表','😀'), st SET('x','y z','é'), da DATE, ti TIME(6),
  dt DATETIME(6), d0 DATETIME, ts TIMESTAMP(6) NULL, ye YEAR, js JSON, nc NATIONAL CHAR(3), ge GEOMETRY, po POINT SRID 4326, li LINESTRING,
  pg POLYGON, mp MULTIPOINT, ml MULTILINESTRING, my MULTIPOLYGON, gc GEOMETRYCOLLECTION
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_as_cs;;
INSERT INTO every_type (id) VALUES (1);;
INSERT INTO every_type (id, t1, t2, i1, b1, b2, d1, f1, f2, f3, f4, bit1, bit64, yes, c1, c2, v1, bi, vb, lt, lb, e1, st, da, ti, dt, ts, ye, js, ge, po, gc) VALUES
  (2, -128, 7, 42, -9223372036854775808, 18446744073709551615, 99999999999999999999999999999999999.999999999999999999999999999999, 16777216, 1234.567,
  -9.459646287802276e-301, 1234567890123456.1234, b'1', 18446744073709551615, TRUE, 'a', '', '汉字 😀 ''"\\\0\n\r\Z', x'00FF0000', x'FFFE80C328ED9FBF00',
  REPEAT('长', 70000), REPEAT(x'00FF275C', 50000), 'b''c', 'x,é', '9999-12-31', '-838:59:58.999999', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999',
  2155, '{"k": [1.0, 1e300, "\\u0041 ''\\" \\\\", null, -0.0, 18446744073709551615], "é 表": {"a": true}, "": 1.5}', ST_GeomFromText('POINT(1 2)', 4326),
  ST_GeomFromText('POINT(10 20)', 4326), ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')),
  (-3, 0, 1, 0, 1, 0, 0, -0e0, 0, -0e0, 0, b'0', 0, FALSE, '', NULL, 'NULL', '', 'NULL', '', '', 0, '', '0000-00-00', '-00:00:00.000001', '2024-02-31 12:00:00',
  '1970-01-01 00:00:01', 0, '[]', NULL, NULL, NULL);;
CREATE TABLE reals (id INT PRIMARY KEY, d DOUBLE, f FLOAT);;
INSERT INTO reals SELECT n, (RAND(n) - 0.5) * POW(10, n * 10 - 300e0), (RAND(n) - 0.5) * POW(10, n - 30) FROM seq;;
CREATE TABLE documents (id INT PRIMARY KEY, j JSON, name VARCHAR(20) AS (JSON_UNQUOTE(j->'$.name')) STORED, KEY many ((CAST(j->'$.tags' AS CHAR(20) ARRAY))), KEY (name));;
INSERT INTO documents (id, j) SELECT n, JSON_OBJECT('name', CONCAT('n', n), 'tags', JSON_ARRAY('a', CONCAT('t', n)), 'n', n * 1.5e0, 'z', NULL) FROM seq;;
CREATE TABLE nulls (a VARCHAR(10), b VARCHAR(10), c VARBINARY(10));;
INSERT INTO nulls VALUES (NULL, 'NULL', NULL), ('NULL', NULL, 'NULL'), ('', NULL, ''), ('a#b', 'c', 'x'), ('a', 'b#c', 'x'), ("'", '"', '`'), (NULL, '\\N', NULL);;
CREATE TABLE duplicates (a INT, b VARCHAR(10));;
INSERT INTO duplicates VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL), (2, 'y'), (2, 'Y');;

-- tables: keys ------------------------------------------------------------------------------------------
CREATE TABLE nopad_key (k VARCHAR(30) COLLATE utf8mb4_0900_ai_ci PRIMARY KEY, n INT);;
INSERT INTO nopad_key SELECT CONCAT('Straße ', n), n FROM seq;;
INSERT INTO nopad_key VALUES ('end', 1), ('end ', 2);;
CREATE TABLE zh_key (k VARCHAR(30) COLLATE utf8mb4_zh_0900_as_cs PRIMARY KEY, g VARCHAR(9) CHARACTER SET gb18030);;
INSERT INTO zh_key SELECT CONCAT('汉', n, '字'), '㐀龥' FROM seq;;
CREATE TABLE binary_key (k VARBINARY(8), b BINARY(3), PRIMARY KEY (k, b));;
INSERT INTO binary_key SELECT UNHEX(LPAD(HEX(n * 9), 4, '0')), UNHEX(LPAD(HEX(n), 2, '0')) FROM seq;;
CREATE TABLE float_key (k FLOAT, d DOUBLE, PRIMARY KEY (k, d));;
INSERT INTO float_key SELECT 16777216 + n * 2, n / 3e0 FROM seq;;
INSERT INTO float_key VALUES (0.1, 0.30000000000000004), (0.1, -2.5227539462476371e-223);;
CREATE TABLE enum_key (e ENUM('z','a','') NOT NULL, s SET('b','a') NOT NULL, b BIT(17) NOT NULL, PRIMARY KEY (e, s, b));;
INSERT INTO enum_key SELECT 1 + n % 3, n % 4, n * 400 FROM seq;;
CREATE TABLE time_key (d DATE, t TIME(3), s TIMESTAMP(6), y YEAR, PRIMARY KEY (d, t, s, y));;
INSERT INTO time_key SELECT '2024-02-01' + INTERVAL n DAY, SEC_TO_TIME(n * 977 - 9000), '2024-03-31 01:30:00' + INTERVAL n HOUR, 2000 + n FROM seq;;
CREATE TABLE unique_only (a INT NOT NULL, b VARCHAR(10) COLLATE utf8mb4_bin NOT NULL, c INT, UNIQUE KEY u (b, a), KEY c (c));;
INSERT INTO unique_only SELECT n, CHAR(96 + n % 20), n FROM seq;;

-- tables: columns, checks, indexes, options -------------------------------------------------------------
SET SESSION sql_generate_invisible_primary_key = 1;;
CREATE TABLE keyless (a INT, b VARCHAR(9));;
SET SESSION sql_generate_invisible_primary_key = 0;;
INSERT INTO keyless SELECT n, 'x' FROM seq;;
CREATE TABLE made (id INT PRIMARY KEY, a INT, b INT AS (a * 2) STORED NOT NULL, c VARCHAR(40) AS (CONCAT('it''s ', a, ' 表')) VIRTUAL, KEY ((a + b)), KEY low ((LOWER(c))), UNIQUE KEY (b, id));;
INSERT INTO made (id, a) SELECT n, n FROM seq;;
CREATE TABLE defaults (id INT AUTO_INCREMENT PRIMARY KEY, u BINARY(16) DEFAULT (UUID_TO_BIN(UUID())), n INT DEFAULT (1 + 2 * 3), s VARCHAR(30) DEFAULT 'it''s \\ "x" 表', b BIT(5) DEFAULT b'101',
  bl BLOB DEFAULT ('blob'), j JSON DEFAULT (JSON_ARRAY(1, 'a')), bi BINARY(3) DEFAULT x'00FF00', cr TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), d DATE DEFAULT (CURDATE()));;
INSERT INTO defaults (s) VALUES (DEFAULT), ('x'), (NULL);;
CREATE TABLE checked (a INT CHECK (a > 0), b VARCHAR(20), CONSTRAINT `b is 'good' ``or`` 好` CHECK (REGEXP_LIKE(b, '^[a-z好]+$')) NOT ENFORCED, CONSTRAINT sums CHECK (a + CHAR_LENGTH(b) < 100));;
INSERT INTO checked VALUES (1, 'good'), (2, 'BAD 1');;
CREATE TABLE words (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY `full 文` (t) WITH PARSER ngram);;
INSERT INTO words SELECT n, CONCAT('word', n) FROM seq;;
CREATE TABLE places (id INT PRIMARY KEY, p POINT NOT NULL SRID 0, g GEOMETRY NOT NULL SRID 4326, SPATIAL KEY `where` (p), SPATIAL INDEX (g));;
INSERT INTO places SELECT n, POINT(n, -n / 3), ST_GeomFromText(CONCAT('POINT(', n, ' 100)'), 4326) FROM seq;;
CREATE TABLE indexes (a INT, b INT, c VARCHAR(500), KEY k1 (a DESC, b ASC) COMMENT 'down ''and'' up', KEY k2 (c(20)), UNIQUE KEY k3 (b), KEY k4 (a) INVISIBLE, KEY `k 5 索` (b, a, c(1)));;
INSERT INTO indexes SELECT n, -n, REPEAT('c', n) FROM seq;;
CREATE TABLE hidden (id INT AUTO_INCREMENT PRIMARY KEY, v INT, secret INT DEFAULT 7 INVISIBLE) AUTO_INCREMENT = 5000;;
INSERT INTO hidden (id, v, secret) VALUES (0, 1, 2), (-5, 2, 3);;
CREATE TABLE pressed (id INT PRIMARY KEY, v TEXT) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 STATS_PERSISTENT=1 COMMENT='压缩';;
INSERT INTO pressed SELECT n, REPEAT('x', 900) FROM seq;;
CREATE TABLE named_charset (a VARCHAR(9) CHARACTER SET utf8mb4, b VARCHAR(9) COLLATE utf8mb4_bin, c VARCHAR(9) CHARACTER SET latin1, d TEXT CHARACTER SET utf16 COLLATE utf16_bin) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci;;
INSERT INTO named_charset VALUES ('é', '表', 'é', '😀');;
CREATE TABLE in_myisam (id INT PRIMARY KEY, v TEXT, FULLTEXT (v)) ENGINE=MyISAM;;
INSERT INTO in_myisam SELECT n, 'text' FROM seq;;
CREATE TABLE in_memory (id INT, v VARCHAR(20), KEY (v) USING HASH) ENGINE=MEMORY;;
INSERT INTO in_memory SELECT n, 'heap' FROM seq;;
CREATE TABLE `表 名 "x" 'y' ``z``.a.b` (`列 "a" 'b' ``c``.d` INT PRIMARY KEY COMMENT '注 ''释'' "x" \\ \n 行', `100%_` INT, `-- no` INT, `/* no */` INT, `;` INT);;
INSERT INTO `表 名 "x" 'y' ``z``.a.b` VALUES (1, 2, 3, 4, 5);;
CREATE TABLE by_range (id INT, d DATE NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (TO_DAYS(d)) (PARTITION p0 VALUES LESS THAN (TO_DAYS('2020-01-01')) COMMENT = 'old ''ones''', PARTITION `p 1 新` VALUES LESS THAN MAXVALUE);;
INSERT INTO by_range SELECT n, '2019-06-01' + INTERVAL n * 90 DAY FROM seq;;
CREATE TABLE by_key (id VARCHAR(9) PRIMARY KEY) PARTITION BY KEY (id) PARTITIONS 3;;
INSERT INTO by_key SELECT n FROM seq;;
CREATE TABLE a_child (id INT PRIMARY KEY, parent INT, CONSTRAINT `to parent` FOREIGN KEY (parent) REFERENCES z_parent (code) ON DELETE SET NULL ON UPDATE CASCADE);;
CREATE TABLE z_parent (id INT PRIMARY KEY, code INT, KEY (code), favourite INT, CONSTRAINT `circle` FOREIGN KEY (favourite) REFERENCES a_child (id) ON DELETE CASCADE);;
INSERT INTO z_parent VALUES (1, 1, 1), (2, 2, NULL), (3, 2, 99);;
INSERT INTO a_child VALUES (1, 1), (2, 1), (3, 77);;

-- objects -----------------------------------------------------------------------------------------------
CREATE FUNCTION plain(a INT) RETURNS INT DETERMINISTIC RETURN a + 1;;
CREATE FUNCTION `函数 "x" ``y``.z`(s VARCHAR(20) CHARACTER SET latin1, t TEXT) RETURNS VARCHAR(100) CHARSET utf8mb4 COLLATE utf8mb4_bin DETERMINISTIC NO SQL SQL SECURITY INVOKER COMMENT 'it''s 注 释' RETURN CONCAT(s, '😀 汉字 ''"\\', t);;
CREATE PROCEDURE work(IN a INT, INOUT `b c` DECIMAL(10,2)) MODIFIES SQL DATA
BEGIN
  -- a comment; with a semicolon and 汉字
  DECLARE done INT DEFAULT 0;
  WHILE done < a DO INSERT INTO duplicates VALUES (done, '汉'); SET done = done + 1; END WHILE;
END;;
SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT';;
CREATE PROCEDURE "ansi 'p'"() SELECT "a" || 'b\' FROM "duplicates";;
SET SESSION sql_mode = '';;
SET NAMES gbk;;
CREATE PROCEDURE in_gbk_client() SELECT '汉字 in gbk';;
SET NAMES utf8mb4;;
CREATE VIEW z_base AS SELECT id, a, b, plain(a) AS p FROM made;;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW m_next AS SELECT * FROM z_base WHERE a > 3 WITH CASCADED CHECK OPTION;;
CREATE VIEW `a 视图 "v"` (`列 1`, `the "sum"`) AS SELECT a, SUM(p) FROM m_next GROUP BY a;;
CREATE VIEW counting AS WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n, ROW_NUMBER() OVER (ORDER BY n DESC) AS r FROM c;;
CREATE VIEW of_json AS SELECT t.* FROM documents, JSON_TABLE(j, '$.tags[*]' COLUMNS (tag VARCHAR(20) PATH '$')) AS t;;
CREATE DEFINER=`nobody'x`@`10.0.%` VIEW orphaned AS SELECT 1 AS one;;
CREATE TRIGGER t_second BEFORE INSERT ON hidden FOR EACH ROW SET NEW.v = NEW.v * 2;;
CREATE TRIGGER `z 先 "first"` BEFORE INSERT ON hidden FOR EACH ROW PRECEDES t_second SET NEW.v = NEW.v + 1;;
CREATE TRIGGER logs AFTER UPDATE ON hidden FOR EACH ROW BEGIN INSERT INTO nulls (a, b) VALUES (OLD.v, '汉''\\😀'); END;;
CREATE EVENT `每晚 'e'` ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2031-01-01 00:00:00' ON COMPLETION PRESERVE COMMENT 'it''s ENABLE' DO DELETE FROM nulls WHERE a = 'ENABLE 汉😀';;

-- accounts ----------------------------------------------------------------------------------------------
CREATE USER `hostile'app`@`10.0.%` IDENTIFIED BY 'word \\ "1' WITH MAX_QUERIES_PER_HOUR 9 PASSWORD EXPIRE INTERVAL 90 DAY ATTRIBUTE '{"team": "云"}';;
CREATE ROLE hostile_role, hostile_other;;
GRANT SELECT ON $schema.* TO hostile_role;;
GRANT INSERT (a, `b`), UPDATE (`b`) ON $name.nulls TO `hostile'app`@`10.0.%`;;
GRANT EXECUTE ON FUNCTION $name.`函数 "x" ``y``.z` TO `hostile'app`@`10.0.%`;;
GRANT hostile_role, hostile_other TO `hostile'app`@`10.0.%`;;
SET DEFAULT ROLE hostile_role, hostile_other TO `hostile'app`@`10.0.%`;;

-- not movable -------------------------------------------------------------------------------------------
CREATE TABLE merged (a INT) ENGINE=MERGE UNION=();;
CREATE TABLE outward (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES $elsewhere.parents (id));;
CREATE TABLE gone_soon (a INT);;
CREATE VIEW `broken 坏` AS SELECT a FROM gone_soon;;
DROP TABLE gone_soon;;
