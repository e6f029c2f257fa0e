-- A schema as hostile as MariaDB 10.11 allows; for the client: DELIMITER ;;
-- Statements end with two semicolons at the end of a line. Everything is in the current schema.
-- What cannot be carried stands at the end, below "not movable".

SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES,NO_UNSIGNED_SUBTRACTION', foreign_key_checks = 0, time_zone = '+00:00';;

-- sequences ---------------------------------------------------------------------------------------------
CREATE SEQUENCE numbers;;
SELECT NEXTVAL(numbers), NEXTVAL(numbers);;
CREATE SEQUENCE `倒 数 "seq"` START WITH 100 INCREMENT BY -7 MINVALUE -1000 MAXVALUE 100 NOCACHE CYCLE;;
DO NEXTVAL(`倒 数 "seq"`), NEXTVAL(`倒 数 "seq"`);;
CREATE SEQUENCE `used up` START WITH 1 MAXVALUE 3 NOCACHE;;
DO NEXTVAL(`used up`), NEXTVAL(`used up`), NEXTVAL(`used up`);;

-- tables: every type ------------------------------------------------------------------------------------
CREATE TABLE every_type (
  id INT NOT NULL PRIMARY KEY, t1 TINYINT, t2 TINYINT UNSIGNED ZEROFILL, s1 SMALLINT, m1 MEDIUMINT UNSIGNED,
  i1 INT ZEROFILL, b1 BIGINT, b2 BIGINT UNSIGNED, d1 DECIMAL(65,30), d2 DECIMAL(5,0) UNSIGNED, d3 NUMERIC(10,5) ZEROFILL,
  f1 FLOAT, f2 FLOAT(7,3), f3 DOUBLE, f4 DOUBLE(20,4) UNSIGNED, bit1 BIT(1), bit64 BIT(64), yes BOOLEAN,
  c1 CHAR(5), c2 CHAR(0), v1 VARCHAR(300), bi BINARY(4), vb VARBINARY(40), tt TINYTEXT, tx TEXT, mt MEDIUMTEXT,
  lt LONGTEXT, tb TINYBLOB, bl BLOB, mb MEDIUMBLOB, lb LONGBLOB, e1 ENUM('a','b''c','d,e','表','😀'), st SET('x','y z','é'),
  da DATE, ti TIME(6), t0 TIME, dt DATETIME(6), d0 DATETIME, ts TIMESTAMP(6) NULL, ye YEAR, js JSON,
  i4 INET4, i6 INET6, uu UUID, nc NATIONAL CHAR(3), ge GEOMETRY, po POINT, li LINESTRING, pg POLYGON,
  mp MULTIPOINT, ml MULTILINESTRING, my MULTIPOLYGON, gc GEOMETRYCOLLECTION
) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci;;
INSERT INTO every_type (id) VALUES (1);;
INSERT INTO every_type VALUES (2, -128, 7, -32768, 16777215, 42, -9223372036854775808, 18446744073709551615,
  99999999999999999999999999999999999.999999999999999999999999999999, 99999, 1.5, 16777216, 1234.567,
  0.1e0 + 0.2e0, 1234567890123456.1234, b'1', 18446744073709551615, TRUE, 'a', '', '汉字 😀 ''"\\\0\n\r\Z', x'00FF0000',
  x'FFFE80C328ED9FBF00', 'tiny', 'text', 'medium', REPEAT('长', 70000), x'00', x'5C27', x'0D0A1A', REPEAT(x'00FF275C', 50000),
  'b''c', 'x,é', '9999-12-31', '-838:59:59.999999', '838:59:59', '9999-12-31 23:59:59.999999', '1000-01-01 00:00:00',
  '2038-01-19 03:14:07.999999', 2155, '{"k": [1.0, 1e400, "\\u0041", null], "k": 2}', '255.255.255.255', '::ffff:1.2.3.4',
  'ffffffff-ffff-ffff-ffff-ffffffffffff', '汉字', POINT(0.1 + 0.2, -0e0), POINT(1e300, -1e-300), LineString(POINT(0,0), POINT(1,1)),
  Polygon(LineString(POINT(0,0), POINT(0,3), POINT(3,3), POINT(0,0))), MultiPoint(POINT(1,2)),
  MultiLineString(LineString(POINT(0,0), POINT(1,1))),
  MultiPolygon(Polygon(LineString(POINT(0,0), POINT(0,3), POINT(3,3), POINT(0,0)))), GeometryCollection(POINT(1,1)));;
INSERT INTO every_type (id, t1, f1, f3, bit1, c1, v1, vb, bl, e1, st, da, ti, d0, dt, ts, ye, ge, bi) VALUES
  (3, 0, -0e0, 1.7976931348623157e308, b'0', '', 'NULL', 'NULL', '', 0, '', '0000-00-00', '-00:00:00.000001',
   '0000-00-00 00:00:00', '2024-02-31 12:00:00', '1970-01-01 00:00:01', 0, ST_GeomFromText('POINT(1 2)', 4326), ''),
  (-4, 127, 3.4028235e38, 5e-324, NULL, 'a b', ' a ', x'20', x'C0', '表', 'x,y z,é', '2024-00-00', '00:00:00',
   '2024-01-00', '0001-01-01', '2000-01-01', 1901, NULL, x'20'),
  (5, NULL, 1.17549e-38, 0.3, b'1', 'é', 'tab\there', x'00', x'2D2D', '😀', 'é', '0000-01-01', '12:00:00.5', NULL,
   NULL, NULL, 2024, NULL, NULL);;

CREATE TABLE zero_dates (d DATE NOT NULL DEFAULT '0000-00-00', t DATETIME(3) NOT NULL DEFAULT '0000-00-00 00:00:00.000',
  s TIMESTAMP NOT NULL DEFAULT '0000-00-00 00:00:00', y YEAR NOT NULL DEFAULT 0);;
INSERT INTO zero_dates VALUES (DEFAULT, DEFAULT, DEFAULT, DEFAULT), ('2024-00-10', '2024-02-31 01:02:03.004', '2024-01-01', 1901);;

CREATE TABLE nulls (a VARCHAR(10), b VARCHAR(10), c VARBINARY(10));;
INSERT INTO nulls VALUES (NULL, 'NULL', NULL), ('NULL', NULL, 'NULL'), ('', NULL, ''), (NULL, '', '\\N'), ('null', '\\N', NULL),
  ('a#b', 'c', 'x'), ('a', 'b#c', 'x'), ('a|b', 'c', 'x'), ('a', 'b|c', 'x'), ("'", '"', '`');;

CREATE TABLE duplicates (a INT, b VARCHAR(10)) ENGINE=InnoDB;;
INSERT INTO duplicates VALUES (1, 'x'), (1, 'x'), (1, 'x'), (NULL, NULL), (NULL, NULL), (2, 'y'), (2, 'Y'), (2, 'y ');;
CREATE TABLE only_unique_nullable (a INT NULL, b INT, UNIQUE (a));;
INSERT INTO only_unique_nullable VALUES (NULL, 1), (NULL, 1), (1, 1), (2, 1);;

-- tables: keys of every kind ----------------------------------------------------------------------------
CREATE TABLE ci_key (k VARCHAR(30) COLLATE utf8mb4_unicode_ci PRIMARY KEY, n INT);;
INSERT INTO ci_key SELECT CONCAT('Straße ', seq), seq FROM seq_1_to_40;;
UPDATE ci_key SET k = UPPER(k) WHERE n % 3 = 0;;
CREATE TABLE pad_key (k CHAR(10) CHARACTER SET latin1 COLLATE latin1_german2_ci, m VARCHAR(5) CHARACTER SET latin1 COLLATE latin1_bin, PRIMARY KEY (k, m));;
INSERT INTO pad_key SELECT CONCAT('ä', seq), CONCAT(CHAR(seq + 64 USING latin1), ' ') FROM seq_1_to_25;;
CREATE TABLE unsigned_key (k BIGINT UNSIGNED PRIMARY KEY, v INT);;
INSERT INTO unsigned_key SELECT CAST(18446744073709551615.0 - seq * 12345678901 AS UNSIGNED), seq FROM seq_0_to_30;;
INSERT INTO unsigned_key VALUES (0, 0), (9223372036854775807, 1), (9223372036854775808, 2);;
CREATE TABLE decimal_key (k DECIMAL(65,30), j DECIMAL(3,1), PRIMARY KEY (k, j));;
INSERT INTO decimal_key SELECT seq / 7 - 2, -seq / 10 FROM seq_1_to_30;;
CREATE TABLE float_key (k FLOAT, d DOUBLE, PRIMARY KEY (k, d));;
INSERT INTO float_key SELECT 16777216 + seq * 2, seq / 3 FROM seq_1_to_25;;
INSERT INTO float_key VALUES (0.1, 0.1), (0.1, 0.30000000000000004), (0.1, 0.3), (-3.4e38, -1e308);;
CREATE TABLE binary_key (k VARBINARY(8), b BINARY(3), PRIMARY KEY (k, b));;
INSERT INTO binary_key SELECT UNHEX(LPAD(HEX(seq * 9), 4, '0')), UNHEX(LPAD(HEX(seq), 2, '0')) FROM seq_1_to_30;;
INSERT INTO binary_key VALUES (x'', x'00'), (x'00', x'00'), (x'0000', x'00'), (x'FFFFFFFFFFFFFFFF', x'27');;
CREATE TABLE enum_key (e ENUM('z','a','M','') NOT NULL, s SET('b','a','c') NOT NULL, b BIT(17) NOT NULL, PRIMARY KEY (e, s, b));;
INSERT INTO enum_key SELECT 1 + seq % 4, seq % 8, seq * 4000 FROM seq_1_to_30;;
INSERT INTO enum_key VALUES (0, 0, 0);;
CREATE TABLE time_key (d DATE, t TIME(3), s TIMESTAMP(6), y YEAR, m DATETIME(2), PRIMARY KEY (d, t, s, y, m));;
INSERT INTO time_key SELECT '2024-02-01' + INTERVAL seq DAY, SEC_TO_TIME(seq * 977 - 9000) + INTERVAL 5000 MICROSECOND,
  '2024-03-31 01:30:00' + INTERVAL seq HOUR, 2000 + seq, '2020-01-01' FROM seq_1_to_30;;
INSERT INTO time_key VALUES ('0000-00-00', '-838:59:59', '1970-01-01 00:00:01', 0, '0000-00-00'), ('2024-02-31', '00:00:00', '2024-01-01', 1901, '2024-00-00');;
CREATE TABLE net_key (a INET6, u UUID, PRIMARY KEY (a, u));;
INSERT INTO net_key SELECT CONCAT('::', HEX(seq * 999)), CONCAT('00000000-0000-0000-0000-', LPAD(HEX(seq), 12, '0')) FROM seq_1_to_25;;
CREATE TABLE prefix_key (a TEXT, b BLOB, c VARCHAR(50), PRIMARY KEY (a(6), b(4)), UNIQUE KEY (c(3)));;
INSERT INTO prefix_key SELECT CONCAT('前缀', seq, ' and more'), CONCAT(CHAR(seq), x'00FF'), CONCAT(CHAR(64 + seq), 'xyz') FROM seq_1_to_25;;
CREATE TABLE unique_only (a INT NOT NULL, b VARCHAR(10) COLLATE utf8mb4_bin NOT NULL, c INT, UNIQUE KEY u (b, a), KEY c (c));;
INSERT INTO unique_only SELECT seq % 5, CHAR(96 + seq % 20), seq FROM seq_1_to_30 GROUP BY seq % 5, CHAR(96 + seq % 20);;
CREATE TABLE functional (a INT, s VARCHAR(20), low VARCHAR(20) AS (LOWER(s)) VIRTUAL INVISIBLE, UNIQUE KEY (low), PRIMARY KEY (a DESC));;
INSERT INTO functional (a, s) SELECT seq, CONCAT('Ab', seq) FROM seq_1_to_25;;

-- tables: names -----------------------------------------------------------------------------------------
CREATE TABLE `select` (`from` INT PRIMARY KEY, `order` INT, `group` TEXT, `key` INT, `index` INT, KEY `key` (`key`));;
INSERT INTO `select` VALUES (1, 2, 'where', 3, 4);;
CREATE TABLE `sixty-four characters long, which is as long as a name may be 字!` (`sixty-four characters long, which is as long as a name may be 字!` INT PRIMARY KEY, b INT);;
INSERT INTO `sixty-four characters long, which is as long as a name may be 字!` VALUES (1, 2);;
CREATE TABLE `our own` (h INT, `rows` INT, rows_hashed INT, name VARCHAR(9), state VARCHAR(9), digest TEXT, `position` INT,
  table_name INT, key_literal INT, copied_rows INT, ` id` INT, PRIMARY KEY (h));;
INSERT INTO `our own` VALUES (1, 2, 3, '', 'done', 'd', 7, 8, 9, 10, 11);;
CREATE TABLE `表 名 "x" 'y' ``z``.a.b` (`列 "a" 'b' ``c``.d` INT PRIMARY KEY COMMENT '注 ''释'' "x" \\ \n 行', `100%_` INT, `-- no` INT, `/* no */` INT, `;` INT, `#` INT, `?` INT, `%s` INT, `{x}` INT);;
INSERT INTO `表 名 "x" 'y' ``z``.a.b` VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9);;
CREATE TABLE `100%_like` (`a%b` INT);;
INSERT INTO `100%_like` VALUES (1), (1);;
CREATE TABLE `Ünïcode ﷽ ㄅ` (`é` INT, `É2` INT);;
CREATE TABLE `Case` (a INT);;
CREATE TABLE `case` (a INT);;
INSERT INTO `case` VALUES (2);;
CREATE TABLE `$dollar 1e5` (`1e5` INT, `$a` INT);;
CREATE TABLE `#sql-like` (a INT);;
CREATE TABLE `tables` (a INT) COMMENT 'AUTO_INCREMENT=5 ) ENGINE=InnoDB AUTO_INCREMENT=7 nextval(`x`.`y`)';;

-- tables: character sets --------------------------------------------------------------------------------
CREATE TABLE in_latin1 (k VARCHAR(20) PRIMARY KEY, v TEXT) DEFAULT CHARSET=latin1;;
INSERT INTO in_latin1 SELECT CONCAT('ÿ€', seq), CONCAT('£ ', CHAR(128 + seq USING latin1)) FROM seq_1_to_25;;
CREATE TABLE in_gbk (k VARCHAR(20) PRIMARY KEY, v TEXT, e ENUM('一','二')) DEFAULT CHARSET=gbk;;
INSERT INTO in_gbk SELECT CONCAT('汉字誠', seq), CONCAT('許功蓋\\''', seq), '二' FROM seq_1_to_25;;
CREATE TABLE in_ucs2 (k VARCHAR(20) PRIMARY KEY, v TEXT, e SET('甲','乙') DEFAULT '乙') DEFAULT CHARSET=ucs2;;
INSERT INTO in_ucs2 SELECT CONCAT('汉', seq), CONCAT('é''', seq), '甲,乙' FROM seq_1_to_25;;
CREATE TABLE in_utf16 (k CHAR(20) PRIMARY KEY, v LONGTEXT) DEFAULT CHARSET=utf16;;
INSERT INTO in_utf16 SELECT CONCAT('😀', seq), CONCAT('汉''\\', seq) FROM seq_1_to_25;;
CREATE TABLE in_utf32 (k CHAR(20) PRIMARY KEY, v MEDIUMTEXT) DEFAULT CHARSET=utf32;;
INSERT INTO in_utf32 SELECT CONCAT('😀', seq), CONCAT('汉''\\', seq) FROM seq_1_to_25;;
CREATE TABLE in_utf8mb3 (k VARCHAR(20) PRIMARY KEY, v TEXT) DEFAULT CHARSET=utf8mb3 COLLATE=utf8mb3_turkish_ci;;
INSERT INTO in_utf8mb3 SELECT CONCAT('ıİ', seq), '汉' FROM seq_1_to_25;;
CREATE TABLE in_sjis (k VARCHAR(20) PRIMARY KEY, v TEXT) DEFAULT CHARSET=sjis;;
INSERT INTO in_sjis SELECT CONCAT('表ソ', seq), 'ソ\\''' FROM seq_1_to_25;;
CREATE TABLE in_uca1400 (k VARCHAR(20) PRIMARY KEY, a VARCHAR(5) COLLATE utf8mb4_uca1400_nopad_as_cs, b VARCHAR(5) COLLATE utf8mb4_nopad_bin) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_uca1400_ai_ci;;
INSERT INTO in_uca1400 SELECT CONCAT('z', seq), 'a ', 'b  ' FROM seq_1_to_25;;
CREATE TABLE mixed_sets (a VARCHAR(9) CHARACTER SET cp1251, b VARCHAR(9) CHARACTER SET big5, c CHAR(9) CHARACTER SET koi8r, d TEXT CHARACTER SET binary, e VARCHAR(9) CHARACTER SET ascii);;
INSERT INTO mixed_sets VALUES ('Привет', '許功蓋', 'мир', 'bin', 'ascii');;
CREATE TABLE twice_encoded (v VARCHAR(100) CHARACTER SET latin1, b VARBINARY(100));;
INSERT INTO twice_encoded VALUES (CONVERT(x'E6B189E5AD97' USING latin1), x'E6B1'), (_latin1 x'80819D', x'F0288CBC');;

-- tables: what hangs together ---------------------------------------------------------------------------
CREATE TABLE a_child (id INT PRIMARY KEY, parent INT, CONSTRAINT `to parent` FOREIGN KEY (parent) REFERENCES z_parent (id) ON DELETE SET NULL ON UPDATE CASCADE);;
CREATE TABLE z_parent (id INT PRIMARY KEY, favourite INT, CONSTRAINT `circle` FOREIGN KEY (favourite) REFERENCES a_child (id) ON DELETE CASCADE);;
INSERT INTO z_parent VALUES (1, 1), (2, NULL), (3, 99);;
INSERT INTO a_child VALUES (1, 1), (2, 1), (3, 77);;
CREATE TABLE tree (id INT PRIMARY KEY, up INT, KEY (up), FOREIGN KEY (up) REFERENCES tree (id) ON DELETE CASCADE);;
INSERT INTO tree SELECT seq, IF(seq = 1, NULL, seq DIV 2) FROM seq_1_to_30;;
CREATE TABLE many (a INT, b VARCHAR(10), c INT, PRIMARY KEY (a, b), FOREIGN KEY (b, a) REFERENCES many_to (b, a) ON UPDATE RESTRICT);;
CREATE TABLE many_to (a INT, b VARCHAR(10), PRIMARY KEY (b, a));;
INSERT INTO many_to VALUES (1, 'x'), (2, 'y');;
INSERT INTO many VALUES (1, 'x', 1), (2, 'y', 2);;

-- tables: partitions ------------------------------------------------------------------------------------
CREATE TABLE by_range (id INT, d DATE NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (TO_DAYS(d))
  (PARTITION p0 VALUES LESS THAN (TO_DAYS('2020-01-01')) COMMENT = 'old ''ones''', PARTITION `p 1 新` VALUES LESS THAN (TO_DAYS('2024-01-01')), PARTITION pmax VALUES LESS THAN MAXVALUE);;
INSERT INTO by_range SELECT seq, '2019-06-01' + INTERVAL seq * 90 DAY FROM seq_1_to_30;;
CREATE TABLE by_list (c VARCHAR(10) COLLATE utf8mb4_bin NOT NULL, n INT, KEY (n)) PARTITION BY LIST COLUMNS (c)
  (PARTITION a VALUES IN ('a', '北京'), PARTITION b VALUES IN ('it''s', ''), PARTITION d DEFAULT);;
INSERT INTO by_list VALUES ('a', 1), ('北京', 2), ('it''s', 3), ('', 4), ('other', 5), ('other', 5);;
CREATE TABLE by_hash (id INT PRIMARY KEY, v INT) PARTITION BY LINEAR HASH (id) PARTITIONS 5;;
INSERT INTO by_hash SELECT seq, seq FROM seq_1_to_30;;
CREATE TABLE by_key (id VARCHAR(9) PRIMARY KEY) PARTITION BY KEY (id) PARTITIONS 3;;
INSERT INTO by_key SELECT seq FROM seq_1_to_30;;
CREATE TABLE by_sub (id INT AUTO_INCREMENT, y INT, PRIMARY KEY (id, y)) AUTO_INCREMENT = 900 PARTITION BY RANGE (y) SUBPARTITION BY HASH (id) SUBPARTITIONS 2
  (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN MAXVALUE);;
INSERT INTO by_sub (y) SELECT 1990 + seq FROM seq_1_to_25;;

-- tables: columns, checks, indexes, options -------------------------------------------------------------
CREATE TABLE made (id INT PRIMARY KEY, a INT, b INT AS (a * 2) STORED, c VARCHAR(40) AS (CONCAT('it''s ', a, ' 表')) VIRTUAL, d INT GENERATED ALWAYS AS (a % 3) PERSISTENT COMMENT 'GENERATED', j JSON,
  n VARCHAR(20) AS (JSON_VALUE(j, '$.name')) VIRTUAL, KEY (c), KEY (n), UNIQUE KEY (b, id));;
INSERT INTO made (id, a, j) SELECT seq, seq, CONCAT('{"name": "n', seq, '"}') FROM seq_1_to_25;;
CREATE TABLE defaults (id INT DEFAULT NEXTVAL(numbers), u VARCHAR(40) DEFAULT UUID(), n INT DEFAULT (1 + 2 * 3), s VARCHAR(30) DEFAULT 'it''s \\ "x" 表', x VARCHAR(10) DEFAULT '',
  b BIT(5) DEFAULT b'101', e ENUM('a','é') DEFAULT 'é', z DECIMAL(5,2) DEFAULT -0.50, bl BLOB DEFAULT 'blob', t TEXT DEFAULT CONCAT('a', 'b'), bi BINARY(3) DEFAULT x'00FF00',
  cr TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), dt DATETIME DEFAULT NOW() ON UPDATE NOW(), d DATE DEFAULT CURDATE(), nn VARCHAR(5) DEFAULT NULL, lit VARCHAR(9) DEFAULT 'NULL', PRIMARY KEY (id));;
INSERT INTO defaults (s) VALUES (DEFAULT), ('x'), (NULL);;
CREATE TABLE checked (a INT CHECK (a > 0), b VARCHAR(20), CONSTRAINT `b is 'good' ``or`` 好` CHECK (b REGEXP '^[a-z好''\\\\]+$' OR b IS NULL), CONSTRAINT sums CHECK (a + CHAR_LENGTH(b) < 100));;
SET SESSION check_constraint_checks = 0;;
INSERT INTO checked VALUES (1, 'good'), (-1, 'BAD 1'), (NULL, NULL);;
SET SESSION check_constraint_checks = 1;;
CREATE TABLE words (id INT PRIMARY KEY, t TEXT, u VARCHAR(200), FULLTEXT KEY `full 文` (t, u), FULLTEXT KEY (u)) ENGINE=InnoDB;;
INSERT INTO words SELECT seq, CONCAT('word', seq, ' more'), 'same' FROM seq_1_to_25;;
CREATE TABLE places (id INT PRIMARY KEY, p POINT NOT NULL, g GEOMETRY REF_SYSTEM_ID=4326 NOT NULL, SPATIAL KEY `where` (p), SPATIAL INDEX (g));;
INSERT INTO places SELECT seq, POINT(seq, -seq / 3), ST_GeomFromText(CONCAT('POINT(', seq, ' 1)'), 4326) FROM seq_1_to_25;;
CREATE TABLE indexes (a INT, b INT, c VARCHAR(500), d TEXT, KEY k1 (a DESC, b ASC) COMMENT 'down ''and'' up', KEY k2 (c(20), d(30)) USING BTREE, UNIQUE KEY k3 (b) , KEY k4 (a) IGNORED, KEY `k 5 索` (b, a, c(1)), INDEX k6 (a) KEY_BLOCK_SIZE=4);;
INSERT INTO indexes SELECT seq, -seq, REPEAT('c', seq), 'd' FROM seq_1_to_25;;
CREATE TABLE hidden (id INT AUTO_INCREMENT PRIMARY KEY, v INT, secret INT INVISIBLE DEFAULT 7, `null` INT INVISIBLE) AUTO_INCREMENT = 5000;;
INSERT INTO hidden (id, v, secret) VALUES (0, 1, 2), (-5, 2, 3), (10, 3, DEFAULT);;
CREATE TABLE counted (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, v INT) AUTO_INCREMENT = 18446744073709551000;;
CREATE TABLE pressed (id INT PRIMARY KEY, v TEXT) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 STATS_PERSISTENT=1 COMMENT='压缩';;
INSERT INTO pressed SELECT seq, REPEAT('x', 9000) FROM seq_1_to_12;;
CREATE TABLE pressed_column (id INT PRIMARY KEY, v VARCHAR(2000) COMPRESSED, b BLOB COMPRESSED) ROW_FORMAT=DYNAMIC;;
INSERT INTO pressed_column SELECT seq, REPEAT('汉', 600), REPEAT(x'00', 900) FROM seq_1_to_12;;
CREATE TABLE old_rows (a INT) ROW_FORMAT=REDUNDANT MAX_ROWS=100 MIN_ROWS=2 AVG_ROW_LENGTH=9;;
INSERT INTO old_rows VALUES (1), (1);;
CREATE TABLE lasting (id INT, s DATE, e DATE, PERIOD FOR valid (s, e), PRIMARY KEY (id, valid WITHOUT OVERLAPS));;
INSERT INTO lasting SELECT seq % 3, '2020-01-01' + INTERVAL seq * 10 DAY, '2020-01-09' + INTERVAL seq * 10 DAY FROM seq_1_to_25;;
CREATE TABLE in_myisam (a VARCHAR(5) NOT NULL, n INT NOT NULL AUTO_INCREMENT, v TEXT, PRIMARY KEY (a, n), FULLTEXT (v)) ENGINE=MyISAM DEFAULT CHARSET=latin1 PACK_KEYS=1 CHECKSUM=1;;
INSERT INTO in_myisam (a, v) SELECT CHAR(97 + seq % 3), 'text' FROM seq_1_to_25;;
CREATE TABLE in_aria (id INT PRIMARY KEY, v BLOB) ENGINE=Aria TRANSACTIONAL=1 PAGE_CHECKSUM=1;;
INSERT INTO in_aria SELECT seq, x'00FF' FROM seq_1_to_25;;
CREATE TABLE in_memory (id INT, v VARCHAR(20), KEY (v) USING HASH, KEY (id) USING BTREE) ENGINE=MEMORY;;
INSERT INTO in_memory SELECT seq, 'heap' FROM seq_1_to_25;;
CREATE TABLE in_csv (a INT NOT NULL, b VARCHAR(20) NOT NULL) ENGINE=CSV;;
INSERT INTO in_csv VALUES (1, 'a,b'), (2, 'it''s "x"'), (2, 'it''s "x"');;
CREATE TABLE only_long (a LONGTEXT, b LONGBLOB, c JSON, g GEOMETRY);;
INSERT INTO only_long VALUES (NULL, NULL, NULL, NULL), ('', '', '[]', POINT(1, 1)), ('汉''\\', x'5C2700', '{"a": "\\\\ \\" 😀"}', NULL), (NULL, NULL, NULL, NULL);;
CREATE TABLE empty_one (id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 77;;
CREATE TABLE wide (id INT PRIMARY KEY, v VARCHAR(10000), w VARBINARY(15000));;
INSERT INTO wide SELECT seq, REPEAT('宽', 5000), REPEAT(x'FF', 15000) FROM seq_1_to_12;;

-- routines, packages ------------------------------------------------------------------------------------
CREATE FUNCTION plain(a INT) RETURNS INT DETERMINISTIC RETURN a + 1;;
CREATE FUNCTION `函数 "x" ``y``.z`(s VARCHAR(20) CHARACTER SET latin1, t TEXT) RETURNS VARCHAR(100) CHARSET utf8mb4 COLLATE utf8mb4_bin DETERMINISTIC NO SQL
  SQL SECURITY INVOKER COMMENT 'it''s 注 释' RETURN CONCAT(s, '😀 汉字 ''"\\', t);;
CREATE AGGREGATE FUNCTION total(x INT) RETURNS BIGINT DETERMINISTIC
BEGIN
  DECLARE s BIGINT DEFAULT 0;
  DECLARE CONTINUE HANDLER FOR NOT FOUND RETURN s;
  LOOP FETCH GROUP NEXT ROW; SET s = s + x; END LOOP;
END;;
CREATE PROCEDURE work(IN a INT, INOUT `b c` DECIMAL(10,2), OUT d ENUM('x','é')) MODIFIES SQL DATA
BEGIN
  -- a comment; with a semicolon and 汉字
  DECLARE done INT DEFAULT 0; /* another */
  WHILE done < a DO INSERT INTO duplicates VALUES (done, '汉'); SET done = done + 1; END WHILE;
  SET `b c` = done, d = 'é';
END;;
SET SESSION sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT';;
CREATE PROCEDURE "ansi 'p'"() SELECT "a" || 'b\' FROM "duplicates";;
SET SESSION sql_mode = 'ORACLE';;
CREATE FUNCTION ora_fun(a NUMBER) RETURN NUMBER DETERMINISTIC AS BEGIN RETURN a * 2; END;;
CREATE PACKAGE "pack 包" AS
  FUNCTION f1(a INT) RETURN INT;
  PROCEDURE p1(a OUT INT);
END;;
CREATE PACKAGE BODY "pack 包" AS
  hidden INT := 5;
  FUNCTION f1(a INT) RETURN INT AS BEGIN RETURN a + hidden; END;
  PROCEDURE p1(a OUT INT) AS BEGIN a := f1(1); END;
END;;
CREATE PACKAGE bodyless COMMENT 'no body' AS FUNCTION f RETURN INT; END;;
SET SESSION sql_mode = '';;
SET NAMES gbk;;
CREATE PROCEDURE in_gbk_client() SELECT '汉字 in gbk';;
SET NAMES latin1 COLLATE latin1_german1_ci;;
CREATE FUNCTION in_latin1_client(s TEXT) RETURNS TEXT DETERMINISTIC RETURN CONCAT(s, 'x');;
SET NAMES utf8mb4 COLLATE utf8mb4_unicode_520_ci;;

-- views -------------------------------------------------------------------------------------------------
CREATE VIEW z_base AS SELECT id, a, b, plain(a) AS p FROM made;;
CREATE ALGORITHM=MERGE SQL SECURITY INVOKER VIEW m_next AS SELECT * FROM z_base WHERE a > 3 WITH CASCADED CHECK OPTION;;
CREATE ALGORITHM=TEMPTABLE VIEW `a 视图 "v" 'w' ``x``` (`列 1`, `the "sum"`) AS SELECT a, SUM(p) FROM m_next GROUP BY a;;
CREATE VIEW a_text AS SELECT 'it''s \\ "汉字"' AS t, x'00FF' AS b, _latin1'abc' COLLATE latin1_german2_ci AS l, DATE '2024-01-01' AS d, b'101' AS bits;;
CREATE VIEW counting AS WITH RECURSIVE c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c WHERE n < 5) SELECT n, ROW_NUMBER() OVER (ORDER BY n DESC) AS r FROM c;;
CREATE VIEW `100%_v` AS SELECT `a%b` FROM `100%_like` WHERE `a%b` LIKE '1%' ESCAPE '|';;
CREATE VIEW packed AS SELECT `函数 "x" ``y``.z`('a', 'b') AS f, total(a) AS t FROM made;;
CREATE DEFINER=`nobody'x`@`10.0.%` VIEW orphaned AS SELECT 1 AS one;;

CREATE VIEW four_bytes AS SELECT '😀' AS smile;;

-- triggers: several for one event, made in another order than they act ----------------------------------
CREATE TRIGGER t_second BEFORE INSERT ON hidden FOR EACH ROW SET NEW.v = NEW.v * 2;;
CREATE TRIGGER `z 先 "first"` BEFORE INSERT ON hidden FOR EACH ROW PRECEDES t_second SET NEW.v = NEW.v + 1;;
CREATE TRIGGER a_third BEFORE INSERT ON hidden FOR EACH ROW FOLLOWS t_second SET NEW.v = NEW.v - 3;;
CREATE TRIGGER logs AFTER UPDATE ON hidden FOR EACH ROW BEGIN INSERT INTO nulls (a, b) VALUES (OLD.v, '汉''\\😀'); DELETE FROM nulls WHERE a = ''; END;;
SET SESSION sql_mode = 'ANSI_QUOTES';;
CREATE DEFINER=CURRENT_USER TRIGGER "removes" BEFORE DELETE ON "表 名 ""x"" 'y' `z`.a.b" FOR EACH ROW SET @gone = 'x';;
SET SESSION sql_mode = 'STRICT_TRANS_TABLES';;

-- events ------------------------------------------------------------------------------------------------
CREATE EVENT `每晚 'e'` ON SCHEDULE EVERY '1:30' HOUR_MINUTE STARTS '2031-01-01 00:00:00' ENDS '2037-01-01 00:00:00' ON COMPLETION PRESERVE COMMENT 'it''s ENABLE' DO DELETE FROM nulls WHERE a = 'ENABLE 汉😀';;
CREATE EVENT once ON SCHEDULE AT '2037-01-01 00:00:00' DO BEGIN INSERT INTO nulls (a) VALUES ('x'); END;;
SET SESSION time_zone = '+08:00';;
CREATE EVENT sleeping ON SCHEDULE EVERY 3 MONTH STARTS '2031-01-01 00:00:00' DISABLE DO SELECT 1;;
SET SESSION time_zone = '+00:00';;

-- accounts: $schema is the schema as a pattern, $name as an identifier ----------------------------------
CREATE USER `hostile'app`@`10.0.%` IDENTIFIED BY 'word \\ "1';;
CREATE USER hostile_locked@`%` IDENTIFIED BY 'word 2' REQUIRE SSL WITH MAX_QUERIES_PER_HOUR 9 ACCOUNT LOCK;;
CREATE ROLE hostile_role;;
GRANT SELECT ON $schema.* TO hostile_role;;
GRANT INSERT, UPDATE, CREATE TEMPORARY TABLES ON $schema.* TO `hostile'app`@`10.0.%` WITH GRANT OPTION;;
GRANT SELECT (a, `b`), UPDATE (`b`) ON $name.nulls TO `hostile'app`@`10.0.%`;;
GRANT SELECT (`列 "a" 'b' ``c``.d`, `100%_`, `;`) ON $name.`表 名 "x" 'y' ``z``.a.b` TO hostile_locked@`%`;;
GRANT EXECUTE ON FUNCTION $name.`函数 "x" ``y``.z` TO `hostile'app`@`10.0.%`;;
GRANT EXECUTE, ALTER ROUTINE ON PROCEDURE $name.work TO hostile_locked@`%`;;
SET SESSION sql_mode = 'ORACLE';;
GRANT EXECUTE ON PACKAGE $name.`pack 包` TO hostile_locked@`%`;;
GRANT EXECUTE ON PACKAGE BODY $name.`pack 包` TO hostile_locked@`%`;;
SET SESSION sql_mode = '';;
GRANT SELECT ON $name.numbers TO hostile_locked@`%`;;
GRANT hostile_role TO `hostile'app`@`10.0.%` WITH ADMIN OPTION;;
SET DEFAULT ROLE hostile_role FOR `hostile'app`@`10.0.%`;;

-- not movable -------------------------------------------------------------------------------------------
CREATE TABLE versioned (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING;;
CREATE TABLE merged (a INT) ENGINE=MERGE UNION=();;
CREATE TABLE outward (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES $elsewhere.parents (id));;
CREATE TABLE gone_soon (a INT);;
CREATE VIEW `broken 坏` AS SELECT a FROM gone_soon;;
DROP TABLE gone_soon;;
ALTER DATABASE COLLATE utf8mb4_bin;;
CREATE FUNCTION `made before`(s TEXT) RETURNS INT DETERMINISTIC RETURN LENGTH(s);;
ALTER DATABASE COLLATE utf8mb4_unicode_520_ci;;
